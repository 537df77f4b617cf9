"""Continue prompts by vLLM alone: ``python -m tests.deployments.bare_vllm ENGINE WANTED OUT``."""

import json
import sys
from pathlib import Path


def main(engine, wanted, output):
    """Write text, tokens and log probabilities of each reply."""
    from vllm import LLM, SamplingParams
    from vllm.sampling_params import StructuredOutputsParams

    llm = LLM(**json.loads(Path(engine).read_text()))
    prompts, sampling = json.loads(Path(wanted).read_text())
    guided = StructuredOutputsParams(**sampling.pop("structured_outputs"))
    params = SamplingParams(**sampling, structured_outputs=guided)
    replies = [one.outputs[0] for one in llm.generate(prompts, params, use_tqdm=False)]
    answers = [
        {
            "text": reply.text,
            "token_ids": list(reply.token_ids),
            "logprobs": [
                {str(token): one.logprob for token, one in there.items()}
                for there in reply.logprobs
            ],
        }
        for reply in replies
    ]
    Path(output).write_text(json.dumps(answers))


if __name__ == "__main__":
    main(*sys.argv[1:])
