from scope import (
    EMBEDDED_BANK,
    AnchorPredictor,
    Encoder,
    Objective,
    PredictionSet,
    load_bank,
    route,
    text_features,
)

prompts = ["Is 91 a prime number?", "Which gas do plants take in? A) oxygen B) carbon dioxide"]

bank = load_bank(EMBEDDED_BANK)
estimates, _ = AnchorPredictor(bank).predict(Encoder().encode(prompts), text_features(prompts))
predictions = PredictionSet.from_bank(bank, estimates, question_ids=prompts)
for decision in route(predictions, Objective(alpha=0.6)).decisions():
    print(f"{decision['selected_model']}: {decision['reason']}")
