"""What a reply finally answers, so that equal answers can be counted."""

from scope.questions.multiple_choice import extract_choice, option_letters
from scope.questions.numeric import extract_number


def final_answer(reply: str, prompt: str) -> str:
    """Return what a reply finally answers, in a form that equal answers share; empty if nothing.

    The letter of an option if the prompt has options and the reply chooses one; the final number
    if it has one; else the whole reply.

    Examples
    --------
    >>> final_answer("So **the answer is (B)**.", "Which? A) red B) green")
    'option B'
    >>> final_answer("6 * 7 = 42.0", "6 * 7?") == final_answer("It is 42", "6 * 7?")
    True
    >>> final_answer("Paris", "The capital?") == final_answer(" paris ", "The capital?")
    True
    """
    letters = option_letters(prompt)
    if letters and (choice := extract_choice(reply, letters)):
        return f"option {choice}"
    if not letters and (number := extract_number(reply)) is not None:
        return f"number {number[0]:.9g}"
    return " ".join(reply.casefold().split())
