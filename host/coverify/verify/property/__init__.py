"""Properties other than "the label stays": what is said of the outputs, over which inputs, and how that
becomes a question that every engine answers.
"""
