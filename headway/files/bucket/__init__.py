"""Files in a bucket of S3-compatible storage; needs the extra `s3`."""
