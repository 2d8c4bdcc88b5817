"""The HTTP contract: methods, statuses and media types of each endpoint, as the OpenAPI document declares them."""
