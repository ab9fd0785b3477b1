"""The REST API, its OpenAPI document, and Swagger UI."""
