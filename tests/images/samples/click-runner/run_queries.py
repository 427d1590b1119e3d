"""A sample of the job runner: a csv job reads its SQL and exits, a forum job keeps running.

Like the real program, it has no signal handler.
"""

import argparse

import observability
from ingestors.csv_ingestor import ingest
from utils.date import now

parser = argparse.ArgumentParser()
parser.add_argument("--ingestor", choices=("csv", "forum"), required=True)
for name in ("create-table", "insert", "optimize"):
    parser.add_argument(f"--{name}-sql")
arguments = parser.parse_args()

observability.log(f"{arguments.ingestor} started {now()}")
if arguments.ingestor == "csv":
    ingest(arguments.create_table_sql, arguments.insert_sql, arguments.optimize_sql)
else:
    observability.wait()
