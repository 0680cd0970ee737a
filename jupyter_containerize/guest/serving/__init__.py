"""The HTTP service of inference images: the standard library only, numpy where the image has it.

One master accepts connections and hands each to a worker, which reads requests, runs the model
and answers. Nothing here starts a thread or imports a framework before it must.
"""
