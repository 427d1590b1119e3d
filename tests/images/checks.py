"""Checks of running containers, in addition to their health checks."""

import re

from .containers import Container, Response

DASHBOARD_KEY = "public-key-of-the-sample"
"""Compiled into the dashboard's JavaScript, and required by its handlers."""

_SITE = "http://localhost:8080"
_BALANCER = "10.0.0.1"
_VISITOR = "203.0.113.7"
"""An address of the documentation range: a visitor behind the load balancer."""


def sees_the_visitor(container: Container) -> None:
    answer = container.get("http://localhost:8000/", headers={"X-Forwarded-For": _VISITOR})
    assert answer.json["client"] == _VISITOR, answer


def has_the_built_page(container: Container) -> None:
    answer = container.get("http://localhost:8000/reports/")
    assert answer.body == "<title>report built by npm</title>\n", answer


def has_awk(container: Container) -> None:
    done = container.exec(("awk", "{ exit !($1 > 0) }", "/proc/uptime"))
    assert done.returncode == 0, done


def dashboard(web: Container) -> None:
    """The pages, and the API in the second container of the pod."""
    _pages(web)
    _handlers(web)
    _addresses(web)


def _pages(web: Container) -> None:
    index = web.get(f"{_SITE}/")
    assert (index.status, index.headers["cache-control"]) == (200, "no-cache"), index
    _secure(index)
    route = web.get(f"{_SITE}/consensus/validators")
    assert (route.status, route.body) == (200, index.body), "a page does not get index.html"
    assert route.headers["cache-control"] == "no-cache", route

    found = re.search(r'src="(/assets/[^"]+\.js)"', index.body)
    assert found, f"index.html does not include the built script: {index.body}"
    script = web.get(f"{_SITE}{found[1]}")
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable", script.headers
    assert DASHBOARD_KEY in script.body, "the build did not use VITE_API_KEY"
    _secure(script)
    packed = web.get(f"{_SITE}{found[1]}", extra=("--compressed",))
    assert packed.headers["content-encoding"] == "gzip", packed.headers

    missing = web.get(f"{_SITE}/assets/none.js")
    assert (missing.status, missing.headers.get("cache-control")) == (404, None), missing
    _secure(missing)


def _secure(answer: Response) -> None:
    expected = {
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "strict-origin-when-cross-origin",
        "strict-transport-security": "max-age=31536000",
    }
    assert expected.items() <= answer.headers.items(), answer.headers
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"], answer.headers
    assert answer.headers["server"] == "nginx", f"exposes its version: {answer.headers['server']}"


def _handlers(web: Container) -> None:
    # the health check passes if one of the two containers is ready
    retries = ("--retry", "30", "--retry-connrefused", "--retry-delay", "1")
    web.get("http://localhost:3000/healthz", extra=retries)
    key = {"X-API-Key": DASHBOARD_KEY}
    metric = "active_validators"
    for path in (f"metrics/{metric}", f"metric/{metric}", f"metrics?metricId={metric}"):
        answer = web.get(f"{_SITE}/api/{path}", headers=key)
        assert answer.status == 200, (path, answer)
        assert answer.json[0]["value"] > 0, (path, answer)
        _secure(answer)
    assert web.get(f"{_SITE}/api/metrics/active_validators").status == 401
    assert web.get(f"{_SITE}/api/metrics/none", headers=key).status == 400
    for path in ("build", "cache", "none", "metrics/a/b"):
        assert web.get(f"{_SITE}/api/{path}", headers=key).status == 404, path

    post = ("--data", '{"a": [1, 2]}')
    json_type = {"Content-Type": "application/json"}
    echo = web.get(f"{_SITE}/api/metrics?echo=1&echo=2", headers=key | json_type, extra=post)
    assert echo.json["echo"] == ["1", "2"], echo
    assert echo.json["body"] == {"a": [1, 2]}, echo
    broken = web.get(f"{_SITE}/api/metrics", headers=key | json_type, extra=("--data", "{"))
    assert broken.status == 400, broken


def _addresses(web: Container) -> None:
    """The client address comes from the load balancer, and only nginx reaches the handlers."""
    web.in_network("ip", "address", "add", f"{_BALANCER}/32", "dev", "lo")
    echo = web.get(
        f"{_SITE}/api/metrics?echo=1",
        headers={"X-API-Key": DASHBOARD_KEY, "X-Forwarded-For": f"198.51.100.1, {_VISITOR}"},
        extra=("--interface", _BALANCER),
    )
    assert echo.json["address"] == _VISITOR, echo
    assert web.get(f"http://{_BALANCER}:8080/healthz").status == 200
    try:
        web.get(f"http://{_BALANCER}:3000/healthz")
    except AssertionError:
        return
    raise AssertionError("the handlers' port is reachable from outside the pod")
