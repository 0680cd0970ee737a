from dataclasses import dataclass

from . import CATALOGUE


@dataclass
class Basket:
    items: list

    def total(self):
        return sum(CATALOGUE[item] for item in self.items)
