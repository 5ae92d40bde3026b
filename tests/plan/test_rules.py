"""What the rules decide for data of one kind or another, and that each says why with its numbers."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from striate.core.events import Silent
from striate.core.plan import Decision, Plan
from striate.core.records import Dataset, Label, Sample, Source, Value
from striate.data.audit import run_audit
from striate.data.split import make_split
from striate.nets import Weights
from striate.plan import Budget, Machine, make_plan
from striate.plan.planner import user_decisions
from striate.plan.rules.batch import chosen_size
from striate.plan.rules.execution import Way, fastest, ways
from striate.plan.rules.growing import size_at
from striate.plan.rules.length import epochs_in
from striate.plan.rules.optimizer import chosen_rate, default_rate

MOBILENET = {
    "network": "timm/mobilenetv2_100",
    "arguments": {"pad_type": "same"},
    "preprocessing": {"mean": [0.5] * 3, "std": [0.5] * 3, "size": 224, "crop_pct": 0.875, "interpolation": "bicubic"},
    "classes": 1000,
    "source": "somewhere",
}
MACHINE = Machine(cores=2, memory_bytes=8 * 10**9, device="cpu")


def pictures(counts: dict[str, int], shape: tuple[int, ...] = (24, 24, 3)) -> Dataset:
    random = np.random.default_rng(0)
    samples = []
    for name, count in counts.items():
        samples += [(name, number) for number in range(count)]
    images = random.integers(0, 255, (len(samples), *shape), np.uint8)
    rows = tuple(
        Sample(f"{name}/{number:04d}", (Source("array", "x", row=row),), Label(name))
        for row, (name, number) in enumerate(samples)
    )
    return Dataset("made", "arrays", "classify", rows, tuple(sorted(counts)), {"x": images})


def measured(shape: tuple[int, ...]) -> Dataset:
    """Pictures with a number each."""
    dataset = pictures({"a": 80}, shape)
    rows = tuple(Sample(one.key, one.sources, Value((float(number),))) for number, one in enumerate(dataset.samples))
    return Dataset("made", "arrays", "regress", rows, ("count",), dataset.arrays)


def planned(dataset: Dataset, **options: Any) -> Plan:
    audit = run_audit(dataset, workers=0, reporter=Silent())
    return make_plan(dataset, audit, make_split(dataset, audit, seed=0), MACHINE, **options)


@pytest.fixture(scope="module")
def photos() -> Plan:
    return planned(pictures({"cat": 60, "dog": 60}))


def test_a_quantile_is_judged_at_the_share_that_the_loss_aims_at() -> None:
    dataset = measured((16, 16, 3))
    usual = planned(dataset).decisions["train.metric"]
    assert (usual.value, usual.because) == ("mae", "in the target's own unit")
    for options, share in (({"share": 0.9}, "0.9"), ({"share": "2.5e-1"}, "0.25"), ({}, "0.5")):
        mine = {"loss.name": Decision("quantile", "", "user"), "loss.options": Decision(options, "", "user")}
        found = planned(dataset, overrides=mine).decisions["train.metric"]
        assert found.value == "pinball"
        assert f"a share of {share} lies below" in found.because


def test_graphs_and_folding_are_never_two_ways_in_one(photos: Plan) -> None:
    def open_but(**fixed: Any) -> Plan:
        leaves = {**dict.fromkeys(Way._fields, "auto"), **fixed}
        return photos.replace(execution={leaf: Decision(value, "mine", "user") for leaf, value in leaves.items()})

    found = ways(open_but())
    assert found[0] == Way("float32", True, True, False)
    assert {way.precision for way in found if way.graphed} == {"float32", "bfloat16"}
    graphed = ways(open_but(graphed=True))
    assert graphed[0] == Way("float32", True, False, True)
    assert Way("bfloat16", True, False, True) in graphed
    for one in (found, graphed, ways(open_but(fold_norms=True)), ways(open_but(precision="bfloat16", graphed=True))):
        assert len(set(one)) == len(one) > 1
        assert not [way for way in one if way.graphed and way.fold_norms]


def test_every_decision_has_a_because(photos: Plan) -> None:
    assert all(decision.because for decision in photos.decisions.values())
    assert photos["task.kind"] == "classify"
    assert photos["loss.name"] == "cross_entropy"
    assert set(photos.unresolved()) == {
        "optimizer.rate",
        "execution.precision",
        "execution.channels_last",
        "predict.precision",
        "predict.channels_last",
        "predict.batch",
    }
    assert photos["execution.fold_norms"] is False


def test_scenes_are_mirrored_and_symbols_are_not(photos: Plan) -> None:
    assert (photos["augment.flip"], photos["predict.views"]) == ("horizontal", "mirrored")
    digits = planned(pictures({str(digit): 12 for digit in range(10)}, (8, 8)))
    assert (digits["augment.flip"], digits["predict.views"]) == ("none", "single")
    assert "symbols" in digits.decisions["augment.flip"].because
    assert digits["input.channels"] == 1
    assert digits["input.height"] == 8


def test_pictures_without_an_up_are_turned_over() -> None:
    def decided(
        upside_down: float, mirrored: float, most: float | None = 0.5, names: tuple[str, str] = ("cat", "dog")
    ) -> Plan:
        dataset = pictures(dict.fromkeys(names, 60), (64, 64, 3))
        found = {"upside_down": upside_down, "mirrored": mirrored}
        found |= {} if most is None else {"upside_down_in_a_class": most}
        audit = replace(run_audit(dataset, workers=0, reporter=Silent()), orientation=found)
        return make_plan(dataset, audit, make_split(dataset, audit, seed=0), MACHINE)

    above = decided(0.62, 0.65)
    assert (above["augment.flip"], above["predict.views"]) == ("both", "flipped")
    assert "62% of those turned over, 65% of those mirrored" in above.decisions["augment.flip"].because
    upright = decided(0.68, 0.51)
    assert (upright["augment.flip"], upright["predict.views"]) == ("horizontal", "mirrored")
    assert "have an up" in upright.decisions["augment.flip"].because
    assert decided(0.53, 0.31)["augment.flip"] == "both"  # below chance is chance
    assert decided(1.0, 0.97)["augment.flip"] == "horizontal"  # near 1 nothing can be compared
    assert decided(0.51, 0.5, 0.95)["augment.flip"] == "horizontal"  # classes that differ by their up
    assert decided(0.51, 0.5, None)["augment.flip"] == "horizontal"  # small classes may
    for names in (("arrow_up", "arrow_down"), ("up/arrow", "down/arrow"), ("ArrowUp", "ArrowDown")):
        assert decided(0.51, 0.5, names=names)["augment.flip"] == "horizontal"
        assert repr(min(names)) in decided(0.51, 0.5, names=names).decisions["augment.flip"].because
    for names in (("turn_left", "turn_right"), ("left/arrow", "right/arrow")):
        assert decided(0.51, 0.5, names=names)["augment.flip"] == "none"


def test_a_policy_takes_the_place_of_what_it_does_itself() -> None:
    dataset = pictures({"cat": 30, "dog": 30}, (64, 64, 3))
    plain = planned(dataset)
    assert (plain["augment.policy"], plain["augment.rotate"], plain["augment.color"]) == ("none", 10.0, 0.2)
    for name, color in (("randaugment", 0.0), ("augmix", 0.2)):
        plan = planned(dataset, overrides={"augment.policy": Decision(name, "mine", "user")})
        assert (plan["augment.rotate"], plan["augment.color"]) == (0.0, color)
        assert name in plan.decisions["augment.rotate"].because


def test_too_few_pictures_and_values_are_not_turned_over(photos: Plan) -> None:
    assert "not judged" in photos.decisions["augment.flip"].because
    values = measured((64, 64, 3))
    found = {"upside_down": 0.5, "mirrored": 0.5, "upside_down_in_a_class": 0.5}
    audit = replace(run_audit(values, workers=0, reporter=Silent()), orientation=found)
    plan = make_plan(values, audit, make_split(values, audit, seed=0), MACHINE)
    assert (plan["augment.flip"], plan["predict.views"]) == ("horizontal", "mirrored")


def test_imbalance_is_put_to_a_trial_and_selects_by_macro_f1(photos: Plan) -> None:
    assert (photos["loss.class_weights"], photos["train.metric"]) == ("none", "accuracy")
    rare = planned(pictures({"common": 260, "rare": 12}))
    assert (rare["imbalance.remedy"], rare["train.metric"]) == ("auto", "macro_f1")
    assert "260" not in rare.decisions["imbalance.remedy"].because  # training samples are quoted, not all
    assert any(character.isdigit() for character in rare.decisions["imbalance.remedy"].because)


def test_regression_keeps_the_border_and_selects_by_error() -> None:
    plan = planned(measured((24, 24, 3)))
    assert (plan["loss.name"], plan["train.metric"], plan["augment.shift"]) == ("huber", "mae", 0.0)


def test_the_users_word_wins_and_other_rules_see_it() -> None:
    mine = {"input.height": Decision(16, "mine", "user"), "input.width": Decision(16, "mine", "user")}
    plan = planned(pictures({"cat": 60, "dog": 60}), overrides=mine)
    assert plan.decisions["input.height"].by == "user"
    assert "16 px" in plan.decisions["network.name"].because


def test_a_time_budget_leaves_the_epochs_to_measuring() -> None:
    plan = planned(pictures({"cat": 60, "dog": 60}), budget=Budget(minutes=2))
    assert plan["train.epochs"] == "auto"
    assert planned(pictures({"cat": 60, "dog": 60}), budget=Budget(epochs=3))["train.epochs"] == 3


def test_weights_bring_network_preprocessing_and_transfer() -> None:
    plan = planned(pictures({"cat": 60, "dog": 60}), weights=Weights({}, MOBILENET, "file"))
    assert plan["network.name"] == "timm/mobilenetv2_100"
    assert plan["network.arguments"] == {"pad_type": "same"}
    assert plan["normalize.mean"] == [0.5] * 3
    assert plan["input.interpolation"] == "bicubic"
    assert (plan["transfer.probe"], plan["optimizer.name"], plan["schedule.name"]) == (True, "adamw", "cosine")


@pytest.mark.slow
def test_many_pictures_are_tuned_as_large_as_the_time_carries() -> None:
    dataset = pictures({"cat": 900, "dog": 900}, (240, 240, 1))
    audit = run_audit(dataset, workers=0, reporter=Silent())
    split, weights = make_split(dataset, audit, seed=0), Weights({}, MOBILENET, "file")
    count = len(split.keys("train"))

    def side(minutes: float | None, seconds: float | None, device: str = "cpu") -> tuple[int, str]:
        machine = replace(MACHINE, device=device, tuning_seconds=seconds)
        plan = make_plan(dataset, audit, split, machine, budget=Budget(minutes=minutes), weights=weights)
        return plan["input.height"], plan.decisions["input.height"].because

    nine = 5 * 60 * 0.8 / 9 / count  # seconds a sample that carry nine epochs at the weights' own 224 px
    assert side(5, nine)[0] == 224
    assert "about 9 epochs" in side(5, nine)[1]
    assert side(5, 1.2 * nine)[0] == 192
    assert side(5, 1.6 * nine)[0] == side(5, 100 * nine)[0] == 160
    assert side(10, 1.6 * nine)[0] == 224
    assert side(None, None)[0] == side(5, None)[0] == 160
    assert side(None, None, "cuda")[0] == 224


@pytest.mark.slow
def test_scarce_samples_fine_tune_gently() -> None:
    weights = Weights({}, MOBILENET, "file")

    def rate(dataset: Dataset, **settings: Any) -> Any:
        mine = {key.replace("__", "."): Decision(value, "mine", "user") for key, value in settings.items()}
        return planned(dataset, weights=weights, overrides=mine)["optimizer.rate"]

    few, many = pictures({"cat": 60, "dog": 60}), pictures({"cat": 600, "dog": 600})
    batch = planned(few, weights=weights)["batch.size"]
    assert rate(few) == pytest.approx(default_rate("adamw", batch, tuned=True) / 5, rel=0.01)
    assert (rate(many), rate(few, optimizer__name="sgd"), rate(few, transfer__probe=False)) == ("auto",) * 3
    assert rate(few, optimizer__rate=0.01) == 0.01


@pytest.mark.slow
def test_a_head_learns_from_every_view_where_samples_are_scarce_and_views_are_averaged() -> None:
    weights = Weights({}, MOBILENET, "file")

    def decision(dataset: Dataset, **settings: Any) -> Decision:
        mine = {key.replace("__", "."): Decision(value, "mine", "user") for key, value in settings.items()}
        return planned(dataset, weights=weights, overrides=mine).decisions["transfer.probe_views"]

    few, many = pictures({"cat": 60, "dog": 60}), pictures({"cat": 600, "dog": 600})
    assert decision(few).value is True
    assert "120 samples" not in decision(few).because  # training samples are quoted, not all
    assert decision(many).value is False
    assert "enough" in decision(many).because
    assert "one view" in decision(few, predict__views="single").because
    assert "no head" in decision(few, transfer__probe=False).because
    mine = {"transfer.probe": Decision(False, "mine", "user")}
    unfitted = planned(few, weights=weights, overrides=mine)
    assert (unfitted["transfer.margin"], unfitted["transfer.frozen_epochs"]) == (0.0, 4)


def test_the_fitted_head_is_to_be_beaten_by_a_standard_error_where_there_is_one() -> None:
    weights = Weights({}, MOBILENET, "file")
    assert planned(pictures({"cat": 60, "dog": 60}), weights=weights)["transfer.margin"] == 1.0
    scratch = planned(pictures({"cat": 60, "dog": 60}))
    assert scratch["transfer.margin"] == 0.0
    assert "no weights" in scratch.decisions["transfer.margin"].because


def test_a_chosen_head_is_fitted_to_scarce_validation_samples_too() -> None:
    weights = Weights({}, MOBILENET, "file")

    def decision(dataset: Dataset, **settings: Any) -> Decision:
        mine = {key.replace("__", "."): Decision(value, "mine", "user") for key, value in settings.items()}
        return planned(dataset, weights=weights, overrides=mine).decisions["transfer.refit"]

    few, many = pictures({"cat": 60, "dog": 60}), pictures({"cat": 600, "dog": 600})
    assert decision(few).value is True
    assert "the 19 that chose" in decision(few).because
    assert (decision(many).value, decision(few, transfer__probe=False).value) == (False, False)
    assert planned(few)["transfer.refit"] is False


def test_little_memory_computes_a_batch_in_parts() -> None:
    dataset = pictures({"cat": 600, "dog": 600}, (64, 64, 3))
    audit = run_audit(dataset, workers=0, reporter=Silent())
    small = Machine(cores=2, memory_bytes=5 * 10**7, device="cpu")
    plan = make_plan(dataset, audit, make_split(dataset, audit, seed=0), small)
    assert plan["batch.accumulate"] > 1
    assert "GB" in plan.decisions["batch.accumulate"].because


def test_the_range_test_is_read_near_the_usual_rate() -> None:
    rates = [0.001 * 1.2**step for step in range(60)]
    valley = [(rate, abs(np.log(rate / 0.12)) + 1) for rate in rates]
    rate, because = chosen_rate(valley, 0.1)
    assert rate == pytest.approx(0.12, rel=0.15)
    assert "half of its fall" in because
    far, because = chosen_rate([(rate, -rate) for rate in rates], 0.1)
    assert far == pytest.approx(0.2)
    assert "factor 2" in because
    few, because = chosen_rate(valley[:5], 0.1)
    assert few == 0.1
    assert "too few" in because


def test_rates_grow_with_the_batch() -> None:
    assert default_rate("sgd", 512, tuned=False) == 2 * default_rate("sgd", 128, tuned=False)
    assert default_rate("adamw", 512, tuned=True) == pytest.approx(2 * default_rate("adamw", 128, tuned=True))


def test_float32_wins_unless_beaten_by_more_than_noise() -> None:
    reference = {Way("float32", False, False, False): 100.0, Way("float32", True, False, False): 120.0}
    low = Way("bfloat16", True, False, False)
    assert fastest({**reference, low: 123.0})[0] == Way("float32", True, False, False)
    way, because = fastest({**reference, low: 200.0})
    assert way == low
    assert "200" in because


def test_only_ways_that_the_plan_leaves_open_are_tried(photos: Plan) -> None:
    assert [way.fold_norms for way in ways(photos)] == [False] * 3
    assert ways(photos)[0].precision == "float32"

    def fixed(**values: Any) -> Plan:
        return photos.replace(execution={leaf: Decision(value, "mine", "user") for leaf, value in values.items()})

    assert {way.precision for way in ways(fixed(precision="bfloat16"))} == {"bfloat16"}
    assert ways(fixed(precision="bfloat16", channels_last=False)) == [Way("bfloat16", False, False, False)]
    assert len(ways(fixed(precision="bfloat16", fold_norms="auto"))) == 3
    open_folds = ways(fixed(fold_norms="auto"))
    assert {way.fold_norms for way in open_folds} == {True, False}
    assert len(open_folds) == 4


@pytest.mark.parametrize(("name", "decay"), [("sgd", 5e-4), ("adam", 5e-4), ("lion", 0.3), ("muon", 0.05)])
def test_weight_decay_is_that_of_the_optimizer_chosen(name: str, decay: float) -> None:
    dataset = pictures({"cat": 40, "dog": 40}, (32, 32, 3))
    audit = run_audit(dataset, workers=0, reporter=Silent())
    overrides = {"optimizer.name": Decision(name, "mine", "user")}
    plan = make_plan(
        dataset, audit, make_split(dataset, audit, seed=0), MACHINE, budget=Budget(epochs=1), overrides=overrides
    )
    assert plan["optimizer.weight_decay"] == decay


def test_where_bfloat16_has_no_kernels_it_is_not_tried() -> None:
    dataset = pictures({"cat": 40, "dog": 40}, (32, 32, 3))
    audit = run_audit(dataset, workers=0, reporter=Silent())
    split = make_split(dataset, audit, seed=0)
    plan = make_plan(dataset, audit, split, replace(MACHINE, bfloat16=False), budget=Budget(epochs=1))
    for leaf in ("execution.precision", "predict.precision"):
        assert plan[leaf] == "float32"
        assert "kernels" in plan.decisions[leaf].because
    assert {way.precision for way in ways(plan)} == {"float32"}


def test_graphs_are_tried_on_cuda_devices_alone(photos: Plan) -> None:
    assert photos["execution.graphed"] is False
    assert "CUDA" in photos.decisions["execution.graphed"].because
    dataset = pictures({"cat": 40, "dog": 40}, (32, 32, 3))
    audit = run_audit(dataset, workers=0, reporter=Silent())
    split = make_split(dataset, audit, seed=0)
    machine = replace(MACHINE, device="cuda", memory_bytes=80 * 10**9, host_bytes=4 * 10**9)

    def planned(**values: Any) -> Plan:
        overrides = {key.replace("__", "."): Decision(value, "mine", "user") for key, value in values.items()}
        return make_plan(dataset, audit, split, machine, budget=Budget(epochs=1), overrides=overrides)

    plan = planned()
    assert plan["execution.graphed"] == "auto"
    assert plan["execution.pack_bytes"] == 10**9  # of the host's memory
    found = ways(plan)
    assert found[0] == Way("float32", True, False, False)
    assert Way("bfloat16", True, False, True) in found
    for values in ({"execution__compile": True}, {"batch__accumulate": 2}, {"execution__device": "cpu"}):
        assert planned(**values)["execution.graphed"] is False, values


def test_the_width_follows_from_time_and_machine() -> None:
    dataset = pictures({"cat": 200, "dog": 200}, (32, 32, 3))
    audit = run_audit(dataset, workers=0, reporter=Silent())
    split = make_split(dataset, audit, seed=0)

    def width(minutes: float, rate: float) -> int:
        machine = replace(MACHINE, macs_per_second=rate)
        plan = make_plan(dataset, audit, split, machine, budget=Budget(minutes=minutes))
        assert plan["network.name"] == "cifarnet"
        assert f"{rate / 1e9:.1f} GMAC/s" in plan.decisions["network.name"].because
        return int(plan["network.arguments"]["widths"][0])

    widths = [width(minutes, 20e9) for minutes in (1, 5, 20)]
    assert widths == sorted(set(widths))
    assert width(5, 80e9) == width(20, 20e9)
    assert make_plan(dataset, audit, split, MACHINE, budget=Budget(epochs=3))["network.name"] == "compact"


def test_what_the_user_names_is_not_mixed_with_the_rules_own() -> None:
    dataset = pictures({"cat": 200, "dog": 200}, (32, 32, 3))
    audit = run_audit(dataset, workers=0, reporter=Silent())
    split, machine = make_split(dataset, audit, seed=0), replace(MACHINE, macs_per_second=20e9)

    def plan(**mine: Any) -> Plan:
        decisions = {key.replace("__", "."): Decision(value, "mine", "user") for key, value in mine.items()}
        return make_plan(dataset, audit, split, machine, budget=Budget(minutes=5), overrides=decisions)

    assert "blocks" in plan(network__name="compact")["network.arguments"]
    assert plan(network__arguments={"width": 8, "blocks": [1, 1]})["network.name"] == "compact"
    assert plan()["optimizer.rate"] == pytest.approx(0.2 * (plan()["batch.size"] / 128) ** 0.5, abs=1e-4)
    assert plan(optimizer__name="adamw")["optimizer.rate"] == "auto"


def test_what_is_counted_is_pooled_by_means_too() -> None:
    values = measured((32, 32, 3))
    audit = run_audit(values, workers=0, reporter=Silent())
    machine = replace(MACHINE, macs_per_second=20e9)
    plan = make_plan(values, audit, make_split(values, audit, seed=0), machine, budget=Budget(minutes=1))
    assert plan["network.arguments"]["pool"] == "both"


def test_pretrained_norms_may_be_folded() -> None:
    plan = planned(pictures({"cat": 60, "dog": 60}), weights=Weights({}, MOBILENET, "file"))
    assert plan["transfer.frozen_norms"] is True
    assert plan["execution.fold_norms"] == "auto"


def test_enlarged_pictures_are_trained_at_the_size_of_their_detail() -> None:
    small = pictures({"cat": 40, "dog": 40}, (28, 28, 3))
    audit = replace(run_audit(small, workers=0, reporter=Silent()), detail=0.5)
    assert make_plan(small, audit, make_split(small, audit, seed=0), MACHINE)["input.height"] == 24
    dataset = pictures({"cat": 40, "dog": 40}, (128, 128, 3))
    audit = run_audit(dataset, workers=0, reporter=Silent())
    split = make_split(dataset, audit, seed=0)
    sharp = make_plan(dataset, audit, split, MACHINE)
    soft = make_plan(dataset, replace(audit, detail=0.24), split, MACHINE)
    assert (sharp["input.height"], soft["input.height"]) == (64, 32)
    assert "enlarged" in soft.decisions["input.height"].because
    weights = Weights({}, MOBILENET, "file")
    tuned = [make_plan(dataset, replace(audit, detail=detail), split, MACHINE, weights=weights) for detail in (0.24, 1)]
    assert tuned[0]["input.height"] == tuned[1]["input.height"] == 128
    assert ["detail fills about 31" in one.decisions["input.height"].because for one in tuned] == [True, False]


def test_epochs_fill_the_time() -> None:
    assert epochs_in(100.0, lambda epochs: 9.0 * epochs)[0] == 11
    assert epochs_in(100.0, lambda epochs: 9.0 * (epochs - 2) + 3.0 * 2)[0] == 12
    assert epochs_in(-5.0, lambda epochs: 9.0 * epochs)[0] == 1


@pytest.mark.parametrize(("side", "start"), [(32, 0.5), (64, 0.6), (160, 0.5), (224, 0.57), (12, 0.3), (5, 0.2)])
@pytest.mark.parametrize("epochs", [1, 2, 3, 7, 50])
def test_pictures_grow_to_the_whole_size(side: int, start: float, epochs: int) -> None:
    sizes = [size_at(epoch, epochs, (side, 2 * side), start)[0] for epoch in range(epochs)]
    assert sizes == sorted(sizes)
    assert sizes[-1] == side
    assert sizes[0] >= min(side, 8)
    assert all(size_at(epoch, epochs, (side, side), 1.0) == (side, side) for epoch in range(epochs))
    if epochs == 50 and side >= 32:
        assert abs(sizes[0] - start * side) <= 16
        assert sizes.index(side) <= 36


def test_the_penalty_of_a_head_on_scarce_samples_is_cross_validated() -> None:
    weights = Weights({}, MOBILENET, "file")
    few, many = pictures({"cat": 60, "dog": 60}), pictures({"cat": 600, "dog": 600})
    chosen = planned(few, weights=weights).decisions["transfer.probe_folds"]
    assert chosen.value is True
    assert "19 validation samples say less of the penalty than 77" in chosen.because
    assert planned(many, weights=weights)["transfer.probe_folds"] is False
    assert planned(few)["transfer.probe_folds"] is False


def test_the_cache_takes_a_tenth_of_the_free_disk() -> None:
    dataset = pictures({"cat": 20, "dog": 20})
    audit = run_audit(dataset, workers=0, reporter=Silent())

    def limit(free: int) -> Decision:
        machine = replace(MACHINE, disk_bytes=free)
        return make_plan(dataset, audit, make_split(dataset, audit, seed=0), machine).decisions["execution.cache_bytes"]

    assert [limit(free).value for free in (0, 10**10, 10**13)] == [0, 10**9, 2 * 10**10]
    assert "no folder" in limit(0).because
    assert "a tenth" in limit(10**10).because


def test_validation_calibrates_classes_and_finds_what_is_possible(photos: Plan) -> None:
    assert (photos["predict.calibration"], photos["evaluate.coverage"]) == ("temperature", 0.9)
    assert photos["evaluate.label_thresholds"] == "half"
    values = planned(measured((24, 24, 3)))
    assert (values["predict.calibration"], values["evaluate.coverage"]) == ("none", 0.9)
    assert "which values and masks have not" in values.decisions["predict.calibration"].because


@pytest.mark.parametrize(
    ("scale", "count", "most", "tuned", "size"),
    [
        (300.0, 10_000, 4096, False, 256),  # nearest by ratio
        (400.0, 10**6, 4096, False, 512),
        (181.0, 10**6, 4096, False, 128),
        (10**9, 10_000, 4096, False, 256),  # steps bound it: 10,000 / 20 = 500
        (10**9, 10_000, 4096, True, 2048),  # 4 steps of pretrained weights
        (10**9, 10**6, 512, False, 512),  # memory does
        (float("inf"), 10**6, 512, False, 128),  # unknown: the usual
        (1.0, 10**6, 4096, False, 128),  # never below the usual
        (0.0, 10**6, 4096, True, 32),
        (1.0, 10**6, 64, False, 4),  # but for memory that does not hold it
        (1.0, 3, 4096, False, 4),
    ],
)
def test_a_batch_by_noise_is_bounded(scale: float, count: int, most: int, tuned: bool, size: int) -> None:
    found, because = chosen_size(scale, count, most, tuned=tuned)
    assert found == size
    assert found & (found - 1) == 0
    kept = (scale < 20 and most == 4096 and count > 3) or scale == float("inf")
    assert ("the usual" in because) == kept


def test_rules_plan_by_the_usual_batch_while_it_is_still_to_be_measured() -> None:
    dataset = pictures({"cat": 300, "dog": 300})
    usual, asked = planned(dataset), planned(dataset, overrides=user_decisions({"batch.size": "auto"}))
    assert asked.unresolved() == sorted({*usual.unresolved(), "batch.size"}, key=list(asked).index)
    assert {key for key in usual if usual[key] != asked[key]} == {"batch.size"}
    assert asked.decisions["batch.accumulate"] == usual.decisions["batch.accumulate"]
