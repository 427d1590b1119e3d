"""Data ingestion: indexers, crawlers and SQL jobs."""
