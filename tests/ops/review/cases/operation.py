"""capacity, schedule, image and update: changes of what runs, and when."""

from constructs_lib.model import ClusterTarget
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
    Case,
    high,
    low,
    medium,
    recreated,
)
from tests.ops.review.cases.objects import set_field
from tests.ops.review.edits import NEW, OLD, declare, pinned, platform, together, write

QUOTA = "ResourceQuota cerebro/quota"

CASES = [
    # capacity
    Case(
        "raise the requests of jobs",
        edit=declare("crawlers/click_runner", old='cpu=("100m"', new='cpu=("200m"'),
        expects=[low("capacity", "Namespace crawlers", "requests.cpu 3.65 → 4.25 (quota 6)")],
    ),
    Case(
        "raise requests above the quota",
        edit=set_field(API, f"{CONTAINER}.resources.requests.cpu", "800m"),
        expects=[
            high("capacity", "Namespace cerebro", "requests.cpu 2.5 → 5.25 (quota 4)"),
            low("restart", API, "resources.requests.cpu"),
        ],
    ),
    Case(
        "add a replica",
        edit=declare("cerebro/cerebro_api", old="replicas=2", new="replicas=3"),
        expects=[
            low("capacity", "Namespace cerebro", "requests.cpu 2.5 → 3 (quota 4)"),
            low("update", API, "spec.replicas 2 → 3"),
        ],
    ),
    Case(
        "lower a quota below the requests",
        edit=set_field(QUOTA, "spec.hard[requests.cpu]", "2"),
        expects=[high("capacity", QUOTA, "hard[requests.cpu]: 4 → 2")],
    ),
    Case(
        "grow a volume",
        edit=set_field(CLAIM, "spec.resources.requests.storage", "2Gi"),
        expects=[low("capacity", CLAIM, "resources.requests.storage: 1Gi → 2Gi")],
    ),
    Case(
        "change the default limits of containers",
        edit=set_field("LimitRange cerebro/defaults", "spec.limits[0].default.memory", "1Gi"),
        expects=[low("capacity", "LimitRange cerebro/defaults", ", for containers that set none")],
    ),
    # schedule
    Case(
        "change a schedule",
        edit=declare("crawlers/click_runner", old='"0 2 * * *"', new='"0 */4 * * *"'),
        expects=[medium("schedule", EMBER, "daily at 02:00 UTC → every fourth hour UTC")],
    ),
    Case(
        "let runs overlap",
        edit=together(*(set_field(job, "spec.concurrencyPolicy", "Allow") for job in JOBS)),
        expects=[
            *(high("schedule", job, "Forbid → Allow") for job in JOBS),
            *(high("schedule", job, "[overlapping-jobs]") for job in JOBS),
        ],
    ),
    Case(
        "let runs start later",
        edit=set_field(EMBER, "spec.startingDeadlineSeconds", 7200),
        expects=[low("schedule", EMBER, "how many seconds late a run may start: ")],
    ),
    Case(
        "suspend a job",
        edit=set_field(EMBER, "spec.suspend", value=True),
        expects=[
            medium("schedule", EMBER, "suspended"),
            low("capacity", "Namespace crawlers", "requests.cpu 3.65 → 3.55 (quota 6)"),
        ],
    ),
    Case(
        "change the time zone of a job",
        edit=set_field(MAINTENANCE, "spec.timeZone", "Europe/Berlin"),
        expects=[
            medium("schedule", MAINTENANCE, "Europe/Berlin"),
            low("update", MIGRATIONS, "cryo-indexer-auto-maintain"),
        ],
    ),
    # image
    Case(
        "pin another commit",
        base=pinned("cerebro-api", OLD),
        edit=pinned("cerebro-api", NEW),
        expects=[
            low("image", API, "sha-aaaaaaa → sha-bbbbbbb"),
            low("restart", API, "image"),
        ],
    ),
    Case(
        "pin an image for the first time",
        edit=pinned("click-runner", NEW),
        expects=[low("image", job, "latest → sha-bbbbbbb") for job in JOBS],
    ),
    Case(
        "return to latest",
        base=pinned("nebula", OLD),
        expects=[
            high("image", NEBULA, "sha-aaaaaaa → latest"),
            *recreated(NEBULA, "image"),
        ],
    ),
    Case(
        "use another registry",
        edit=set_field(API, f"{CONTAINER}.image", "example.org/gnosischain/cerebro-api:latest"),
        expects=[
            high("image", API, "→ example.org/gnosischain/cerebro-api:latest"),
            low("restart", API, "image"),
        ],
    ),
    # update
    Case(
        "use another served version",
        edit=together(
            set_field(NEBULA_SECRETS, "apiVersion", "external-secrets.io/v1"),
            set_field(NEBULA_SECRETS, "spec.refreshInterval", "1h0m0s"),
        ),
        expects=[medium("update", NEBULA_SECRETS, "→ external-secrets.io/v1")],
    ),
    Case(
        "name the ingress class in a field",
        edit=platform(target=ClusterTarget(ingress_class="field")),
        expects=[low("update", ingress, "spec.ingressClassName") for ingress in INGRESSES],
    ),
    Case(
        "change the arguments of a hook",
        edit=set_field(MIGRATIONS, f"{CONTAINER}.args", ["migrate"]),
        expects=[
            high("update", MIGRATIONS, "[unsynced-release]"),
            low("update", MIGRATIONS, '["migrations"] → ["migrate"]'),
            low("update", MIGRATIONS, "release"),
        ],
    ),
    Case(
        "change an argument of two jobs",
        edit=write("crawlers/click-runner", ("daily-lag-days=1", "daily-lag-days=2")),
        expects=[low("update", job, "args") for job in JOBS[-2:]],
    ),
    Case(
        "change a label",
        edit=together(
            *(
                set_field(name, "metadata.labels[app.kubernetes.io/component]", "api")
                for name in API_OBJECTS
            )
        ),
        expects=[low("update", name, "web → api") for name in API_OBJECTS],
    ),
]
