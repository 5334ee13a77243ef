"""Claims times records: which verdict does each claim have, and what becomes of each sentence?"""

from bnkit.ledger.entries import Entry, Ledger, open_ledger, summary
from bnkit.ledger.samples import Records, Untested

__all__ = ["Entry", "Ledger", "open_ledger", "summary", "Untested", "Records"]
