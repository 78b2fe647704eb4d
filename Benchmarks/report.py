"""Tables and plots of what was measured."""
import html
import statistics

COLOURS = {"outrider": "#e4572e", "envoy": "#8a6fb0", "haproxy": "#4f86c6", "nginx": "#5aa469", "floor": "#b5b5b5"}


def middle(runs, key):
    return statistics.median(run[key] for run in runs)


def load_table(rows):
    """rows: proxy -> runs."""
    lines = ["| proxy | CPU us/request (user + system) | of Envoy's | requests/s | p50 ms | p99 ms | p99.9 ms | resident MiB | errors |",
             "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
    envoy = middle(rows["envoy"], "cpu") if "envoy" in rows else None
    for name, runs in rows.items():
        value = lambda key: middle(runs, key)
        ratio = f"{value('cpu') / envoy:.2f}" if envoy else "-"
        lines.append(
            f"| {name} | {value('cpu'):.1f} ({value('user'):.1f} + {value('system'):.1f}) | {ratio} "
            f"| {value('rate'):.0f} | {value('p50'):.2f} | {value('p99'):.2f} | {value('p99.9'):.2f} | {value('resident'):.1f} "
            f"| {sum(run['errors'] for run in runs)} |")
    return "\n".join(lines)


def resource_table(columns, rows):
    lines = ["| proxy | " + " | ".join(columns) + " |", "| --- |" + " --- |" * len(columns)]
    for name, row in rows.items():
        lines.append(f"| {name} | " + " | ".join(row.get(column, "-") for column in columns) + " |")
    return "\n".join(lines)


def bars(title, values):
    """An SVG of horizontal bars: name -> (user, system), microseconds of CPU a request."""
    width, row, left = 560, 26, 90
    most = max(user + system for user, system in values.values()) or 1
    height = 44 + row * len(values)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
             f'font-size="13"><rect width="{width}" height="{height}" fill="#fff"/>'
             f'<text x="12" y="22" font-weight="bold">{html.escape(title)}: CPU microseconds a request</text>']
    for index, (name, (user, system)) in enumerate(values.items()):
        top = 34 + index * row
        scale = (width - left - 80) / most
        colour = COLOURS.get(name, "#999")
        parts.append(
            f'<text x="12" y="{top + 15}">{html.escape(name)}</text>'
            f'<rect x="{left}" y="{top + 2}" width="{user * scale:.1f}" height="18" fill="{colour}"/>'
            f'<rect x="{left + user * scale:.1f}" y="{top + 2}" width="{system * scale:.1f}" height="18" '
            f'fill="{colour}" fill-opacity="0.5"/>'
            f'<text x="{left + (user + system) * scale + 6:.1f}" y="{top + 15}">{user + system:.1f}</text>')
    return "".join(parts) + "</svg>\n"
