"""The tests of the ML Test Score (Breck et al. 2017), by section."""

RUBRIC: dict[str, tuple[str, ...]] = {
    "data": (
        "feature_schema",
        "features_beneficial",
        "feature_cost",
        "feature_policy",
        "privacy_controls",
        "feature_velocity",
        "feature_code_tested",
    ),
    "model": (
        "specification_reviewed",
        "offline_online_correlation",
        "hyperparameters_tuned",
        "staleness_known",
        "simpler_baseline",
        "slice_quality",
        "inclusion",
    ),
    "infrastructure": (
        "reproducible_training",
        "specification_tested",
        "pipeline_tested",
        "validated_before_serving",
        "example_debugging",
        "canary",
        "rollback",
    ),
    "monitoring": (
        "dependency_changes",
        "data_invariants",
        "training_serving_skew",
        "model_age",
        "numerical_stability",
        "compute_performance",
        "served_quality",
    ),
}
