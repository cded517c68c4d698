"""Write the table of ``clustering.propose.permutations`` as datasketch makes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clustering.propose import permutations


def main() -> None:
    """Write it beside the module that reads it."""
    made = {
        permutations.name_in_table(count, seed): permutations.made_permutations(count, seed)
        for count, seed in permutations.IN_TABLE
    }
    np.savez(Path(permutations.__file__).with_name(permutations.TABLE), **made)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
