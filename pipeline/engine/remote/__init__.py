"""Results in an object store, behind the folder store of each machine: `--store s3://…`."""
