import numpy as np
import pytest
import torch

from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.toy.model import build_model, build_processor
from xmas_assets.toy.scenes import Scene, Thing
from xmas_assets.toy.terse_questions import LONGEST, Terse, ask_tersely
from xmas_assets.toy.train import build_base, main
from xmas_assets.toy.train_language import QuestionBank, align_projector, look_at, score_looking
from xmas_assets.toy.train_tower import draw_album
from xmas_assets.vlm.loading import load_vlm
from xmas_assets.vlm.model_files import SHIPPED_BASE

RED_CIRCLE_AND_BIG_BLUE_SQUARE = Scene(
    "white",
    (Thing("circle", "red", x=10, y=40, radius=5), Thing("square", "blue", x=40, y=20, radius=12)),
)


def test_terse_questions_have_true_answers():
    asked = ask_tersely(RED_CIRCLE_AND_BIG_BLUE_SQUARE)
    assert asked["colour"] == [Terse(("colour", "circle"), "red"), Terse(("colour", "square"), "blue")]
    assert set(asked["count"]) == {
        Terse(("count", "objects"), "two"),
        Terse(("count", "circle"), "one"),
        Terse(("count", "square"), "one"),
        Terse(("count", "blue"), "one"),
        Terse(("count", "red"), "one"),
    }
    assert Terse(("left", "right", "red", "circle"), "left") in asked["side"]
    assert Terse(("top", "bottom", "blue"), "top") in asked["level"]
    assert Terse(("colour", "biggest"), "blue") in asked["by_size"]
    assert Terse(("contains", "red", "circle"), "yes") in asked["present"]
    assert Terse(("contains", "red", "square"), "no") in asked["absent"]
    assert not {question.words for question in asked["present"]} & {question.words for question in asked["absent"]}
    assert all(len(question.words) <= LONGEST for found in asked.values() for question in found)


def test_packed_questions_are_answered_as_if_asked_alone():
    """Eight questions behind one picture give the language model's output of each of them in a sequence of its own."""
    from xmas_assets.toy.train_language import _Packing

    processor = build_processor()
    model = build_model(processor, seed=0)
    album = draw_album(2, seed=0)
    features = look_at(model, processor, album)
    ids, _ = QuestionBank(processor.tokenizer, album.scenes).draw(np.arange(2), np.random.default_rng(0))
    packing = _Packing.make(processor.tokenizer)
    with torch.no_grad():
        packed = packing.run(model, features, ids)
        embed = model.get_input_embeddings()
        cells = model.model.multi_modal_projector(features)
        for row in range(2):
            for slot, question in enumerate(ids[row]):
                whole = torch.cat([embed(packing.before), cells[row], embed(packing.after), embed(question)])
                alone = model.model.language_model(inputs_embeds=whole[None]).last_hidden_state[0, -5:]
                torch.testing.assert_close(packed[row, slot], alone, atol=1e-5, rtol=1e-4)


def test_alignment_brings_cells_near_to_the_words_that_describe_them():
    processor = build_processor()
    model = build_model(processor, seed=0)
    album = draw_album(64, seed=0)
    features = look_at(model, processor, album)
    before = model.model.multi_modal_projector(features).detach()
    align_projector(model, processor.tokenizer, album.scenes, features, n_steps=150, seed=0)
    after = model.model.multi_modal_projector(features).detach()
    embeddings = model.get_input_embeddings().weight.detach()
    (background,) = processor.tokenizer.encode(" background", add_special_tokens=False)
    empty = [
        (scene, cell)
        for scene in range(64)
        for cell in range(16)
        if cell not in {thing.cell for thing in album.scenes[scene].things}
    ]

    def similarity(cells):
        chosen = torch.stack([cells[place] for place in empty])
        return torch.cosine_similarity(chosen, embeddings[background][None]).mean()

    assert similarity(before) < 0.3
    assert similarity(after) > 0.5


def test_building_twice_gives_the_same_bytes(tmp_path):
    small = {"n_scenes": 64, "tower_steps": 4, "align_steps": 4, "language_steps": 4}
    build_base(tmp_path / "one", **small)
    build_base(tmp_path / "two", **small)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_a_directory_that_holds_anything_is_refused_before_any_training(tmp_path, monkeypatch, capsys):
    (tmp_path / "config.json").write_text("mine")
    monkeypatch.setattr("sys.argv", ["train", "--output", str(tmp_path)])
    with pytest.raises(SystemExit) as end:
        main()
    assert (end.value.code, "is not empty; give a new or empty folder" in capsys.readouterr().err) == (2, True)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("config.json", "mine")]


def test_the_shipped_base_answers_terse_questions():
    vlm = load_vlm(SHIPPED_BASE, BaseModelSettings())
    album = draw_album(100, seed=12345)
    features = look_at(vlm.model, vlm.processor, album)
    bank = QuestionBank(vlm.processor.tokenizer, album.scenes)
    assert score_looking(vlm.model, bank, features, seed=0) > 0.9
