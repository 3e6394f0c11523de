import numpy as np
import pytest

from xmas_assets.core.graph_pruning import (
    Graph,
    directed_graph,
    greedy_order,
    mutual_graph,
    spread_scores,
    standby_order,
)
from xmas_assets.core.neighbours import nearest_neighbours


def greedy_by_definition(graph, scores, gamma):
    now, order = scores.astype(float).copy(), []
    while len(order) < len(now):
        row = max((row for row in range(len(now)) if row not in order), key=lambda row: (now[row], -row))
        order.append(row)
        edges = slice(graph.starts[row], graph.starts[row + 1])
        now[graph.neighbours[edges]] -= now[row] * np.exp(-gamma * graph.distances[edges])
    return order


def standby_by_definition(graph, scores, gamma):
    """The published loop with a plain list, going on past the last row of the queue."""
    now, order, waiting = scores.astype(float).copy(), [], []
    queue = list(np.argsort(scores, kind="stable")[::-1])
    while queue or waiting:
        best = int(np.argmax(now[waiting])) if waiting else None
        if best is not None and (not queue or now[waiting[best]] >= now[queue[0]]):
            row = waiting.pop(best)
        elif len(queue) > 1 and now[queue[0]] < now[queue[1]]:
            waiting.append(queue.pop(0))
            continue
        else:
            row = queue.pop(0)
        order.append(row)
        edges = slice(graph.starts[row], graph.starts[row + 1])
        now[graph.neighbours[edges]] -= now[row] * np.exp(-gamma * graph.distances[edges])
    return order


def made(seed, n_rows=80):
    rng = np.random.default_rng(seed)
    return nearest_neighbours(rng.normal(size=(n_rows, 3)), 4), rng.normal(size=n_rows)


def test_edges_of_a_mutual_graph_go_both_ways_once():
    """0 -> 1, 1 -> 0, 2 -> 1: row 1 also gets 2."""
    graph = mutual_graph(np.array([[1], [0], [1]]), np.array([[0.5], [0.5], [4.0]]))
    assert graph.starts.tolist() == [0, 1, 3, 4]
    assert graph.neighbours.tolist() == [1, 0, 2, 1]
    assert graph.distances.tolist() == [0.5, 0.5, 4.0, 4.0]


def test_scores_spread_along_edges_and_fade_with_distance():
    """Row 0 hears 2 x exp(-ln 2 x 1) = 1 from row 1; row 1 hears row 0's -3 as 1e-7."""
    graph = directed_graph(np.array([[1], [0]]), np.array([[1.0], [0.0]]))
    spread = spread_scores(graph, np.array([-3.0, 2.0]), gamma=np.log(2))
    np.testing.assert_allclose(spread, [-2.0, 2.0 + 1e-7], rtol=1e-12)


def test_a_row_taken_costs_its_neighbours():
    """Scores 4, 3, 2 on a line, every edge at distance 0: after row 0, row 1 has -1, so row 2 is next."""
    graph = Graph(np.array([0, 1, 3, 4]), np.array([1, 0, 2, 1]), np.zeros(4))
    assert greedy_order(graph, np.array([4.0, 3.0, 2.0]), gamma=1.0).tolist() == [0, 2, 1]


def test_equal_scores_go_to_the_lower_row():
    graph = Graph(np.zeros(6, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))
    assert greedy_order(graph, np.array([1.0, 2.0, 1.0, 2.0, 2.0]), gamma=1.0).tolist() == [1, 3, 4, 0, 2]


@pytest.mark.parametrize("gamma", [0.0, 0.4, 3.0])
@pytest.mark.parametrize("make_graph", [directed_graph, mutual_graph])
def test_the_heap_takes_the_highest_score_at_every_step(make_graph, gamma):
    """Negative scores too, which raise those of their neighbours when they are taken."""
    neighbours, scores = made(1)
    graph = make_graph(*neighbours)
    assert greedy_order(graph, scores, gamma=gamma).tolist() == greedy_by_definition(graph, scores, gamma)


def test_a_row_overtaken_waits_until_it_is_best_again():
    """Queue 0 1 2 3 with 9, 8, 7, 6; row 0 costs row 1 all but 7.5 - it still leads; row 1 costs row 2 4: 3 waits
    while row 3 (6) goes, and comes last.
    """
    graph = Graph(np.array([0, 1, 2, 2, 2]), np.array([1, 2]), -np.log([0.5 / 9, 4 / 7.5]))
    assert standby_order(graph, np.array([9.0, 8.0, 7.0, 6.0]), gamma=1.0).tolist() == [0, 1, 3, 2]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("gamma", [0.0, 0.4])
def test_the_standby_heap_takes_what_the_published_list_takes(seed, gamma):
    neighbours, scores = made(seed)
    graph = directed_graph(*neighbours)
    scores = spread_scores(graph, scores, gamma=0.1)
    assert standby_order(graph, scores, gamma=gamma).tolist() == standby_by_definition(graph, scores, gamma)
