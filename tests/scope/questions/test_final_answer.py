from scope.questions import final_answer

OPTIONS = "Which? A) red B) green C) blue"


def test_a_number_in_a_question_with_options_is_no_answer():
    """
    Options are letters; a text without a letter counts as a whole.
    """
    assert final_answer("There are 3 of them", OPTIONS) == "there are 3 of them"
