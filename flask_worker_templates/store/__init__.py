"""MongoDB: connection, indexes, the commit protocol, the audit trail, the claims. The one door for writes."""
