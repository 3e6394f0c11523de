import numpy as np

from xmas_assets.toy.questions import SPACE
from xmas_assets.toy.scenes import COLOURS, Scene, Thing, draw_scene, jitter_scene, sample_scene


def test_cell_and_halves_follow_the_centre():
    """x = 40 is in the third column of 16 pixels, y = 20 in the second row: cell 1 * 4 + 2."""
    thing = Thing("circle", "red", x=40, y=20, radius=5)
    assert (thing.cell, thing.side, thing.level, thing.size) == (6, "right", "top", "small")


def test_a_thing_is_drawn_in_its_colour_where_it_stands():
    scene = Scene("black", (Thing("square", "red", x=24, y=40, radius=8),))
    pixels = draw_scene(scene, np.random.default_rng(0)).astype(int)
    assert pixels.shape == (64, 64, 3)
    assert np.abs(pixels[36:44, 20:28] - COLOURS["red"]).mean() < 15
    assert pixels[5:20, 40:60].mean() < 50


def test_a_circle_covers_its_area():
    """A circle of radius 10 covers 314 pixels."""
    scene = Scene("white", (Thing("circle", "blue", x=32.5, y=30.5, radius=10),))
    pixels = draw_scene(scene, np.random.default_rng(1)).astype(int)
    assert abs((pixels[..., 0] < 128).sum() - 314) < 12


def test_sampled_things_stay_inside_and_apart():
    rng = np.random.default_rng(2)
    for _ in range(200):
        things = sample_scene(SPACE, rng).things
        assert 1 <= len(things) <= 4
        assert len({thing.cell for thing in things}) == len(things)
        for thing in things:
            assert thing.radius <= min(thing.x, thing.y, 64 - thing.x, 64 - thing.y)
        for one in things:
            for other in things:
                if one is not other:
                    assert np.hypot(one.x - other.x, one.y - other.y) > one.radius + other.radius


def test_jitter_moves_things_but_keeps_the_signature():
    rng = np.random.default_rng(3)
    for _ in range(100):
        scene = sample_scene(SPACE, rng)
        moved = jitter_scene(scene, rng)
        assert moved.signature() == scene.signature()
        assert moved != scene
