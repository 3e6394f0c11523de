"""Make a bucket in the object store of this deployment, if it is not there: ``make_bucket.py NAME``."""

import os
import sys

import boto3


def main(name: str) -> None:
    """Make the bucket."""
    store = boto3.client("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"], region_name="us-east-1")
    if name not in {bucket["Name"] for bucket in store.list_buckets()["Buckets"]}:
        store.create_bucket(Bucket=name)


if __name__ == "__main__":
    main(sys.argv[1])
