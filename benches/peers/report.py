# Figures as text: medians over the rounds, one aligned table per measurement, each with its ratio to HAProxy.
import math
import statistics

REFERENCE = "haproxy"
NONE = "-"


def median(samples, key):
    """The median of one figure over all rounds, or None where there is none."""
    values = [sample[key] for sample in samples if key in sample]
    return statistics.median(values) if values else None


def percentile(values, share):
    """The smallest value that at least `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def number(value, digits=2):
    if value is None:
        return NONE
    if math.isinf(value):
        return "never"
    return f"{value:,.{digits}f}"


def spread(samples, key, digits=2):
    """Lowest and highest of the rounds."""
    values = [sample[key] for sample in samples if key in sample]
    return f"{number(min(values), digits)}..{number(max(values), digits)}" if values else NONE


def ratio(value, reference):
    if value is None or not reference or math.isinf(value) or math.isinf(reference):
        return NONE
    return f"{value / reference:.2f}"


def turn_ratios(samples, reference, key):
    """One figure against that of a reference, round for round: what drifts from round to round falls out."""
    return [one[key] / other[key] for one, other in zip(samples, reference) if one.get(key) and other.get(key)]


def table(title, columns, rows, notes=(), texts=1):
    """Aligned text: the first `texts` columns to the left, the others to the right."""
    cells = [columns, *rows]
    widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
    lines = ["", title]
    for position, row in enumerate(cells):
        padded = [cell.ljust(width) if index < texts else cell.rjust(width)
                  for index, (cell, width) in enumerate(zip(row, widths))]
        lines.append("  " + "  ".join(padded).rstrip())
        if position == 0:
            lines.append("  " + "  ".join("-" * width for width in widths))
    lines.extend(f"  {note}" for note in notes)
    return "\n".join(lines)


def compare(title, results, figures, notes=(), reference=REFERENCE):
    """A table with one row per proxy. `figures`: (heading, key, digits, what else: "ratio", "spread" or both)."""
    columns = ["proxy"]
    for heading, _, _, extras in figures:
        columns.append(heading)
        columns.extend([f"x {reference}"] if "ratio" in extras else [])
        columns.extend(["lowest..highest"] if "spread" in extras else [])
    rows = []
    for name, samples in results.items():
        row = [name]
        for _, key, digits, extras in figures:
            value = median(samples, key)
            row.append(number(value, digits))
            if "ratio" in extras:
                row.append(ratio(value, median(results.get(reference, []), key)))
            if "spread" in extras:
                row.append(spread(samples, key, digits))
        rows.append(row)
    return table(title, columns, rows, notes)


def cancel_figures(samples, way):
    """Median of the rounds' p50 and p99, the worst case and the most left, of one proxy and one way of leaving."""
    rounds = [sample[way] for sample in samples if way in sample]
    if not rounds:
        return None
    return {
        "p50": statistics.median(percentile(one["ms"], 0.50) for one in rounds),
        "p99": statistics.median(percentile(one["ms"], 0.99) for one in rounds),
        "max": max(max(one["ms"]) for one in rounds),
        "left": max(one["left"] for one in rounds),
        "of": len(rounds[0]["ms"]),
    }


def cancel_table(title, results, ways, notes=()):
    rows = []
    for way, meaning in ways.items():
        reference = cancel_figures(results.get(REFERENCE, []), way)
        for name, samples in results.items():
            figures = cancel_figures(samples, way)
            if figures:
                rows.append([
                    f"{way}: {name}", number(figures["p50"]), number(figures["p99"]),
                    ratio(figures["p99"], reference and reference["p99"]), number(figures["max"]),
                    f"{figures['left']} of {figures['of']}"])
    meanings = [f"{way} = {meaning}" for way, meaning in ways.items()]
    columns = ["way: proxy", "p50 ms", "p99 ms", "p99 x haproxy", "max ms", "left after 1 s"]
    return table(title, columns, rows, [*meanings, *notes])
