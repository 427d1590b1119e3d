"""Quantities, names and the detection of secrets."""

from fractions import Fraction

import pytest

from constructs_lib.errors import DeclarationError
from constructs_lib.model.names import looks_secret
from constructs_lib.model.quantity import amount, canonical


@pytest.mark.parametrize(
    ("text", "number", "stored"),
    [
        ("250m", Fraction(1, 4), "250m"),
        ("1000m", 1, "1"),
        ("0.5", Fraction(1, 2), "500m"),
        ("2000", 2000, "2k"),
        ("0", 0, "0"),
        ("1024Mi", 2**30, "1Gi"),
        ("1.5Gi", 3 * 2**29, "1536Mi"),
        ("100Mi", 100 * 2**20, "100Mi"),
        ("1G", 10**9, "1G"),
        ("1e3", 1000, "1k"),
        ("1E-3", Fraction(1, 1000), "1m"),
        ("1E", 10**18, "1E"),
        (".5", Fraction(1, 2), "500m"),
        ("+5.", 5, "5"),
        ("500000u", Fraction(1, 2), "500m"),
        ("5n", Fraction(5, 10**9), "5n"),
    ],
)
def test_a_quantity_has_the_canonical_form_of_the_api_server(
    text: str, number: Fraction | int, stored: str
) -> None:
    assert amount(text) == number
    assert canonical(text) == stored


@pytest.mark.parametrize(
    "text", ["", "1 Gi", "-1", "1g", "512MB", "1e3m", "1e100", "a lot", "1/3", "Mi"]
)
def test_an_invalid_quantity_is_rejected(text: str) -> None:
    with pytest.raises(DeclarationError, match="is not a valid quantity"):
        amount(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLICKHOUSE_PASSWORD", "hunter2"),
        ("API_KEY", "abc"),
        ("API_KEYS", "{}"),
        ("IPINFO_API_TOKEN", "0123456789"),
        ("NODE_URL", "https://rpc.example.org/?apikey=0123456789abcdef"),  # gitleaks:allow
        ("NODE_URL", "https://user:pass@rpc.example.org"),
        ("HEADER", "sk_live_internal_key"),
        ("ANYTHING", "AKIAIOSFODNN7EXAMPLE"),
        ("ANYTHING", "ghp_" + 36 * "a"),
        ("ANYTHING", "-----BEGIN RSA PRIVATE KEY-----"),
        ("ANYTHING", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"),  # gitleaks:allow
    ],
)
def test_a_secret_is_detected(name: str, value: str) -> None:
    assert looks_secret(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DBT_MANIFEST_URL", "https://gnosischain.github.io/dbt-cerebro/manifest.json"),
        ("GIT_COMMIT", "3b18e512dba79e4c8300dd08aeb37f8e728b8dad"),
        ("QUERIES", "queries/circles/blacklist/create_table.sql,queries/circles/insert.sql"),
        ("DATASETS", "blocks,transactions,logs,contracts,native_transfers,traces"),
        ("BEACON_API_KEY_PARAM", "apiKey"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/var/run/secrets/google.json"),
        ("API_KEYS_FILE", "./api_keys.json"),
        ("TOKEN", ""),
        ("FORWARDED_ALLOW_IPS", "*"),
        ("S3_PATH", "assets/countries_avg_1d_data/{{DATE}}.parquet"),
        ("TEMPLATE_URL", "https://example.org/data?api_key={{API_KEY}}"),
        ("PROXY", "http://proxy.example.org:8080"),
        ("COLOUR_TOKENS", "red,green"),
    ],
)
def test_other_values_are_accepted(name: str, value: str) -> None:
    assert not looks_secret(name, value)
