"""The search for stays without its shortcuts: every question is asked of the whole curve, ln(eps_g - floor)."""

import numpy as np

from ode_sgd.analysis import plateau_search


class PlainSearch(plateau_search._Search):
    """A stay lasts if its time is `persistence` times that of the fastest such fall, found among all."""

    def _band(self, anchor, level, persistence):
        alpha, curve = self._alpha, self._curve
        low, high, left = (
            level + np.log1p(by) for by in (-plateau_search.BAND, plateau_search.BAND, -plateau_search.LEFT)
        )
        if not low <= curve[anchor] <= high or curve[-1] >= left:
            return None
        inside = max(index for index in range(curve.size) if curve[index] >= low)
        if any(value > high for value in curve[anchor : inside + 1]) or min(curve[inside + 1 :]) >= left:
            return None
        before = [index for index in range(anchor + 1) if curve[index] > high or curve[index] < low]
        start = alpha[0]
        if before:
            start = plateau_search.crossing(alpha, curve, before[-1], high if curve[before[-1]] > high else low)
        leave = plateau_search.crossing(alpha, curve, inside, low)
        below = [index for index in range(inside + 1, curve.size) if curve[index] < level + np.log(plateau_search.END)]
        if not below and alpha[-1] - leave < leave - start:
            return None
        last = below[0] if below else curve.size - 1
        fall = plateau_search._fastest_fall(alpha[inside : last + 1], curve[inside : last + 1], high - low)
        return None if leave - start < persistence * fall else (float(start), leave)
