"""Claims times records: which verdict does each claim have, and what becomes of each sentence?"""

from bnkit.ledger.entries import Entry, Ledger, open_ledger
from bnkit.ledger.samples import Untested, samples_of

__all__ = ["Entry", "Ledger", "open_ledger", "Untested", "samples_of"]
