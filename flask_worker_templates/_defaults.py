"""Defaults that both the settings and the rules of a spec need."""

LICENSE_TYPES = ("PERSONAL", "ENTERPRISE", "EVALUATION")
"""What ``license_type`` may be where no setting says otherwise."""
