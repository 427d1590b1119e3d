CREATE TABLE IF NOT EXISTS specs (name String) ENGINE = MergeTree ORDER BY name;
