"""Images in object storage: S3, Google Cloud Storage, Azure Blob Storage and web servers."""
