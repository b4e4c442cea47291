"""The 28 tests of the ML Test Score (Breck et al. 2017) in our own words: what each asks, and how its point is earned."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Asked:
    "One test of the rubric: its question, and how its point is earned."

    title: str
    asks: str
    earn: str


TESTS: dict[str, Asked] = {
    "feature_schema": Asked(
        "Inputs are written down",
        "Does the promise say what every input is, and are rows read against it?",
        "Write the role of every input into data.columns of pilot.yaml.",
    ),
    "features_beneficial": Asked(
        "Every input earns its place",
        "Are the answers worse without any one of the inputs?",
        "Replay whole_column at severity 1 for each input alone (columns: [one]), or attest an ablation.",
    ),
    "feature_cost": Asked(
        "No input costs more than it gives",
        "Is any input too slow, too dear or too fragile for what it adds?",
        "Set what each input adds against its price, its delay and its upkeep, and attest that table.",
    ),
    "feature_policy": Asked(
        "Inputs are allowed",
        "May every input be used for this, by the rules of the house and by law?",
        "Attest it with a document: here, or as governance.data_sources and governance.lawful_basis.",
    ),
    "privacy_controls": Asked(
        "Personal data are guarded",
        "Are personal data kept few, safe and no longer than needed on their whole way to the model?",
        "Attest it with a document: here, or as governance.lawful_basis and governance.retention.",
    ),
    "feature_velocity": Asked(
        "A new input comes soon",
        "How long does it take from the idea of an input to its use in production?",
        "Attest how long the last new input took, with a link to its change.",
    ),
    "feature_code_tested": Asked(
        "Code that makes inputs is tested",
        "Has the code that computes inputs tests of its own?",
        "Attest it with a link to the report of those tests.",
    ),
    "specification_reviewed": Asked(
        "The model's code was reviewed",
        "Has a second person read how the model is made, and is every version kept?",
        "Attest it with a link to the review.",
    ),
    "offline_online_correlation": Asked(
        "Offline figures foretell live ones",
        "When the replayed metric moves, does the outcome that the business wants move with it?",
        "Compare releases or run an A/B test, hand the outcome over as a measured fact, or attest it.",
    ),
    "hyperparameters_tuned": Asked(
        "Settings were searched for",
        "Were the settings of the model chosen by a search?",
        "Attest it with a link to the search and its results.",
    ),
    "staleness_known": Asked(
        "What age costs is known",
        "How much worse is a model of yesterday in the world of today?",
        "Replay stale_labels or concept_shift at two severities or more, and write down the retraining trigger.",
    ),
    "simpler_baseline": Asked(
        "A simpler model is not as good",
        "Does a model that is cheaper to keep do as well?",
        "Write a gate of drop against the folder of a simpler pilot (against: …).",
    ),
    "slice_quality": Asked(
        "Quality holds in every slice",
        "Is the model good enough for each group of rows that matters, and not only on average?",
        "Write a gate of quality for every declared slice, with rows enough to decide it.",
    ),
    "inclusion": Asked(
        "Groups are treated alike",
        "Was it looked for unfair differences between groups of people?",
        "Name the protected columns, and write a gate of gap between the groups of each (of: gap, between: …).",
    ),
    "reproducible_training": Asked(
        "Training again gives the same model",
        "Do two trainings on the same rows answer alike?",
        "Name model.train, and replay uniform_labels with severity 0 among its severities.",
    ),
    "specification_tested": Asked(
        "Training code is tested",
        "Does the code that trains run by itself, and does it learn what the rows teach?",
        "Name model.train, and replay a scenario of training labels such as uniform_labels.",
    ),
    "pipeline_tested": Asked(
        "The whole way is tested",
        "Are all stages, training included, run together from rows to verdict?",
        "Run it from end to end (p2p run), with a scenario of training labels in the suite.",
    ),
    "validated_before_serving": Asked(
        "Quality is checked before it serves",
        "Is a model that got worse kept from its users?",
        "Promise a metric of quality on clean rows, at_least or at_most, with rows enough to judge it.",
    ),
    "example_debugging": Asked(
        "A single answer can be looked into",
        "Can one strange answer be found again, with what went in and what came out?",
        "Let replay keep failing examples of every scenario (replay.examples in settings.ini).",
    ),
    "canary": Asked(
        "New models meet a few users first",
        "Does a new model answer a small part of the traffic before all of it?",
        "Promote through a canary, which hands over a measured fact, or attest how it is done.",
    ),
    "rollback": Asked(
        "There is a way back, and it was tried",
        "Can the model before be put back at once, and was that tried?",
        "Roll back once (p2p rollback), or attest the last drill.",
    ),
    "dependency_changes": Asked(
        "Changes upstream are noticed",
        "Is it known what happens when a supplier of data fails, and is somebody told?",
        "Replay dependency_absent for every technical dependency, name owner.webhook or owner.escalation, and schedule the runs.",
    ),
    "data_invariants": Asked(
        "Rows that break the rules are stopped",
        "Are inputs that no training row could look like stopped?",
        "Promise expect: reject for a broken schema and for broken values, and guard the pilot until both hold.",
    ),
    "training_serving_skew": Asked(
        "Training and serving see the same inputs",
        "Does the same case give the same inputs in training and in production?",
        "Compare logged inputs with recomputed ones, hand the result over as a measured fact, or attest it.",
    ),
    "model_age": Asked(
        "The model is not too old",
        "Is the model younger than the plan allows?",
        "Write retraining.every_days, and make the card in a run that knows when the model was trained.",
    ),
    "numerical_stability": Asked(
        "No answer is lost to odd values",
        "Does every row get an answer when values are missing, messy or extreme?",
        "Replay the families missing and messy or noise, and mend what gets no answer.",
    ),
    "compute_performance": Asked(
        "It is still fast enough",
        "Is the time of an answer watched against a limit?",
        "Promise latency_p95, and time the calls with each card.",
    ),
    "served_quality": Asked(
        "Quality is measured on live cases",
        "Are answers in production compared with what turned out to be true?",
        "Bring outcomes back to the event log, which hands over a measured fact, or attest how it is done.",
    ),
}

__all__ = ["TESTS", "Asked"]
