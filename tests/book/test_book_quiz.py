"""Quizzes: can every question be answered, and does every answer say why?"""

import pytest

from bnkit.book import quiz
from bnkit.errors import InputError

QUESTIONS = [
    pytest.param(question, id=f"{name}-{number}")
    for name in quiz.names()
    for number, question in enumerate(quiz.questions(name), start=1)
]


@pytest.mark.parametrize("question", QUESTIONS)
def test_one_answer_of_several_is_right_and_each_has_feedback(question):
    assert question["type"] == "multiple_choice"
    answers = question["answers"]
    assert len(answers) >= 3
    assert [answer["correct"] for answer in answers].count(True) == 1
    assert all(answer["feedback"].strip() for answer in answers)
    assert len({answer["answer"] for answer in answers}) == len(answers)


@pytest.mark.parametrize("question", QUESTIONS)
def test_formulas_are_unicode_since_the_page_typesets_no_tex_there(question):
    texts = [question["question"]]
    texts += [answer[part] for answer in question["answers"] for part in ("answer", "feedback")]
    assert not [text for text in texts if "$" in text or "\\" in text]


def test_no_question_is_asked_twice():
    asked = [question.values[0]["question"] for question in QUESTIONS]
    assert len(asked) == len(set(asked)) > 10


def test_an_unknown_quiz_names_those_that_there_are():
    with pytest.raises(InputError, match="test-your-understanding"):
        quiz.questions("test-your-luck")
