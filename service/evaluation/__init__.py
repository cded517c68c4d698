"""How well labelled articles were clustered, why not better, and what a change moved.

``outcome``   the clustered articles with their labels: what everything here looks at
``measures``  BCubed, pairs, Rand index, candidate recall; per language, averaged
``sweep``     the same measures for stricter and for laxer merge rules
``mistakes``  the worst false merges and the worst misses, with the terms that caused them
``changes``   this clustering beside an earlier one of the same articles
``report``    all of it as one HTML page; ``charts`` draws, ``words`` finds the words of terms

Nothing here reads files or knows of the command line, which is ``service.commands.evaluate``.
"""
