import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from bidsmask.numerics.threads import Crew, in_order, one_thread_of_blas


def threads_of_blas():
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


def test_blas_has_one_thread_for_a_while_and_then_as_many_as_before():
    assert np.eye(2).dot(np.eye(2)).sum() == 2  # a BLAS is loaded
    for before in 3, 2:
        with threadpool_limits(before, user_api="blas"):
            usual = threads_of_blas()
            with one_thread_of_blas():
                assert threads_of_blas() == {1}
                with one_thread_of_blas():
                    assert threads_of_blas() == {1}
                assert threads_of_blas() == {1}
            assert threads_of_blas() == usual


def test_a_crew_does_all_items_before_it_comes_back():
    done = np.zeros(50, dtype=bool)
    crew = Crew()
    for _ in range(2):
        crew.do(lambda number: done.__setitem__(number, ~done[number]), done.size)
    assert not done.any()
    crew.do(lambda number: done.__setitem__(number, True), done.size)
    assert done.all()


def test_results_come_in_the_order_of_the_items():
    assert list(in_order(lambda item: item**2, range(30))) == [item**2 for item in range(30)]
    assert list(in_order(abs, [])) == []
