"""The small shared library of *Theorems That Run*.

``theorylab.verify`` makes evidence and knows nothing of machine learning; the
domain modules build the papers' constructions and know nothing of ``verify``.
"""
