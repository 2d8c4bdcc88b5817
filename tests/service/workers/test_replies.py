"""Answers of a worker, however the socket cuts them."""

import asyncio

import pytest

from service.workers.protocol import ANSWER_HEADER, Outcome
from service.workers.replies import Answer, Answers


def answer(number: int, payload: bytes) -> bytes:
    return ANSWER_HEADER.pack(number, Outcome.DONE, len(payload)) + payload


def test_an_answer_is_given_as_soon_as_it_is_whole_though_the_next_one_has_begun() -> None:
    async def scene() -> Answer:
        answers = Answers()
        waiting = asyncio.create_task(answers.next())
        await asyncio.sleep(0)
        answers.data_received(answer(1, b"first") + answer(2, b"second")[:-1])
        return await asyncio.wait_for(waiting, 10)

    assert asyncio.run(scene()) == (1, Outcome.DONE, b"first")


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_answers_are_the_same_in_pieces_of_any_size(size: int) -> None:
    sent = b"".join(answer(number, b"x" * number) for number in range(40))

    async def scene() -> list[Answer]:
        answers = Answers()
        reading = asyncio.create_task(read(answers))
        for start in range(0, len(sent), size):
            answers.data_received(sent[start : start + size])
            await asyncio.sleep(0)
        return await asyncio.wait_for(reading, 10)

    async def read(answers: Answers) -> list[Answer]:
        return [await answers.next() for _ in range(40)]

    assert asyncio.run(scene()) == [(number, Outcome.DONE, b"x" * number) for number in range(40)]


def test_what_came_before_the_end_is_still_given() -> None:
    async def scene() -> Answer:
        answers = Answers()
        answers.data_received(answer(1, b"whole") + b"cut")
        answers.connection_lost(None)
        first = await answers.next()
        with pytest.raises(asyncio.IncompleteReadError):
            await answers.next()
        return first

    assert asyncio.run(scene()) == (1, Outcome.DONE, b"whole")
