"""capacity, schedule, image and update: changes of what runs, and when."""

from constructs_lib.model import ClusterTarget
from ops.review.model import Severity
from tests.ops.review.cases import (
    API,
    API_OBJECTS,
    CLAIM,
    CONTAINER,
    EMBER,
    INGRESSES,
    JOBS,
    MAINTENANCE,
    MIGRATIONS,
    NEBULA,
    NEBULA_SECRETS,
    Expected,
    case,
    high,
    low,
    medium,
    recreated,
)
from tests.ops.review.cases.objects import set_field
from tests.ops.review.edits import NEW, OLD, declare, pinned, platform, together, unchanged, write

CRYO_SECRETS, HOST = "ExternalSecret crawlers/cryo-indexer-clickhouse", "spec.data[CLICKHOUSE_HOST]"
FIRST, SECOND = (f"{NEW}@sha256:{64 * digit}" for digit in "12")
OTHER = f"{OLD}@sha256:{64 * '1'}"
QUOTA = "ResourceQuota cerebro/quota"

CASES = [
    # capacity
    case("raise the requests of jobs",
         declare("crawlers/click_runner", old='cpu=("100m"', new='cpu=("200m"'),
         low("capacity", "Namespace crawlers", "requests.cpu 3.65 → 4.25 (quota 6)")),
    case("raise requests above the quota",
         set_field(API, f"{CONTAINER}.resources.requests.cpu", "800m"),
         high("capacity", "Namespace cerebro", "requests.cpu 2.5 → 5.25 (quota 4)"),
         low("restart", API, "resources.requests.cpu")),
    case("add a replica", declare("cerebro/cerebro_api", old="replicas=2", new="replicas=3"),
         low("capacity", "Namespace cerebro", "requests.cpu 2.5 → 3 (quota 4)"),
         low("update", API, "spec.replicas 2 → 3")),
    case("lower a quota below the requests", set_field(QUOTA, "spec.hard[requests.cpu]", "2"),
         high("capacity", QUOTA, "hard[requests.cpu]: 4 → 2")),
    case("grow a volume", set_field(CLAIM, "spec.resources.requests.storage", "2Gi"),
         low("capacity", CLAIM, "resources.requests.storage: 1Gi → 2Gi")),
    case("change the default limits of containers",
         set_field("LimitRange cerebro/defaults", "spec.limits[0].default.memory", "1Gi"),
         low("capacity", "LimitRange cerebro/defaults", ", for containers that set none")),
    # schedule
    case("change a schedule",
         declare("crawlers/click_runner", old='"0 2 * * *"', new='"0 */4 * * *"'),
         medium("schedule", EMBER, "daily at 02:00 UTC → every fourth hour UTC")),
    case("let runs overlap",
         together(*(set_field(job, "spec.concurrencyPolicy", "Allow") for job in JOBS)),
         *(high("schedule", job, "Forbid → Allow") for job in JOBS),
         *(high("schedule", job, "[overlapping-jobs]") for job in JOBS)),
    case("let runs start later", set_field(EMBER, "spec.startingDeadlineSeconds", 7200),
         low("schedule", EMBER, "how many seconds late a run may start: ")),
    case("suspend a job", set_field(EMBER, "spec.suspend", value=True),
         medium("schedule", EMBER, "suspended"),
         low("capacity", "Namespace crawlers", "requests.cpu 3.65 → 3.55 (quota 6)")),
    case("change the time zone of a job", set_field(MAINTENANCE, "spec.timeZone", "Europe/Berlin"),
         medium("schedule", MAINTENANCE, "Europe/Berlin"),
         low("update", MIGRATIONS, "cryo-indexer-auto-maintain")),
    # image
    case("pin another commit", pinned("cerebro-api", NEW),
         low("image", API, "sha-aaaaaaa → sha-bbbbbbb"),
         low("restart", API, "image"),
         base=pinned("cerebro-api", OLD)),
    *(
        case(
            name,
            pinned("click-runner", now),
            *(Expected(severity, "image", job, "sha-bbbbbbb: ") for job in JOBS),
            base=pinned("click-runner", was),
        )
        for name, was, now, severity in (
            ("pin another build with the same tag", FIRST, SECOND, Severity.HIGH),
            ("pin a digest for the first time", NEW, SECOND, Severity.LOW),
            ("pin no digest", FIRST, NEW, Severity.MEDIUM),
            ("pin another commit, and no digest", OTHER, NEW, Severity.MEDIUM),
        )
    ),
    case("pin an image for the first time", pinned("click-runner", NEW),
         *[low("image", job, "latest → sha-bbbbbbb") for job in JOBS]),
    case("return to latest", unchanged,
         high("image", NEBULA, "sha-aaaaaaa → latest"),
         *recreated(NEBULA, "image"),
         base=pinned("nebula", OLD)),
    case("use another registry",
         set_field(API, f"{CONTAINER}.image", "example.org/gnosischain/cerebro-api:latest"),
         high("image", API, "→ example.org/gnosischain/cerebro-api:latest"),
         low("restart", API, "image")),
    # update
    case("use another served version",
         together(set_field(NEBULA_SECRETS, "apiVersion", "external-secrets.io/v1"),
                  set_field(NEBULA_SECRETS, "spec.refreshInterval", "1h0m0s")),
         medium("update", NEBULA_SECRETS, "→ external-secrets.io/v1")),
    case("name the ingress class in a field", platform(target=ClusterTarget(ingress_class="field")),
         *[low("update", ingress, "spec.ingressClassName") for ingress in INGRESSES]),
    case("change the arguments of a hook", set_field(MIGRATIONS, f"{CONTAINER}.args", ["migrate"]),
         high("update", MIGRATIONS, "[unsynced-release]"),
         low("update", MIGRATIONS, '["migrations"] → ["migrate"]'),
         low("update", MIGRATIONS, "runs with this release [")),
    case("pin another build of a hook and of what waits for it", pinned("cryo-indexer", NEW),
         low("update", MIGRATIONS, "runs first"),
         others=True),
    case("read a parameter that a hook needs",
         set_field(CRYO_SECRETS, f"{HOST}.remoteRef.key", "/cerebro/clickhouse/ip"),
         low("update", MIGRATIONS,
             "runs with this release; before that, Secret cryo-indexer-click"),
         others=True),
    case("change an argument of two jobs",
         write("crawlers/click-runner", ("daily-lag-days=1", "daily-lag-days=2")),
         *[low("update", job, "args") for job in JOBS[-2:]]),
    case("change a label",
         together(*(
                      set_field(name, "metadata.labels[app.kubernetes.io/component]", "api")
                      for name in API_OBJECTS
                  )),
         *[low("update", name, "web → api") for name in API_OBJECTS]),
]  # fmt: skip
