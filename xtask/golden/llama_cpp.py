"""llama.cpp on a GGUF file, for the scripts that ask what it makes of one."""

import json
import urllib.request

import xllamacpp


class LlamaCpp:
    """A model, served on this machine."""

    def __init__(self, path):
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(path)
        parameters.n_ctx = 256
        parameters.n_parallel = 1
        parameters.warmup = False
        # Scores are to be those of the model: no format narrower than f32 beside the weights.
        parameters.cache_type_k = xllamacpp.ggml_type.GGML_TYPE_F32
        parameters.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        self.server = xllamacpp.Server(parameters)

    def post(self, path, **body):
        request = urllib.request.Request(
            self.server.listening_address + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def tokenize(self, text):
        """Ids of a text with what begins it, control tokens found in it."""
        return self.post("/tokenize", content=text, add_special=True, parse_special=True)["tokens"]

    def continued(self, ids, length):
        """The best tokens after others, whichever they are."""
        sampling = dict(temperature=0.0, top_k=1, samplers=["top_k"], ignore_eos=True)
        options = dict(n_predict=length, return_tokens=True, cache_prompt=False)
        return self.post("/completion", prompt=ids, **options, **sampling)["tokens"]
