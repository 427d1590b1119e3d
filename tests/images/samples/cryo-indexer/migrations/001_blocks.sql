CREATE TABLE IF NOT EXISTS blocks (number UInt64) ENGINE = MergeTree ORDER BY number;
