"""The shapes of /api/v1, one file a family: what is read, strictly, and what is answered. OpenAPI is made of them."""
