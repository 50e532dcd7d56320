//! A graph of stages: from left to right where there is room, else as a tree.

use std::collections::{BTreeMap, BTreeSet};

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use crate::{
    text,
    tui::{theme::Role, ui::Ui},
};

/// Between two stages of a row.
const ARROW: &str = " ──▶ ";
/// Rows of one row of stages: the line from above, the name, the figure.
const ROWS: u16 = 3;

/// One stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Unique in the graph.
    pub id: String,
    /// The ids of those before it.
    pub after: Vec<String>,
    /// What kind of thing it is: one column.
    pub glyph: &'static str,
    /// Its name.
    pub name: String,
    /// Its live figure, or its state in words.
    pub figure: String,
    /// How it is.
    pub role: Role,
}

impl Node {
    /// Columns that it takes, with a figure of no more than `figures` columns beyond its name's.
    fn width(&self, figures: usize) -> u16 {
        let name = text::width(&text::clean(&self.name)) + 2;
        let figure = text::width(&text::clean(&self.figure)) + 2;
        // A long figure, such as an error, does not push the others away; and a figure that grows by a digit does not
        // move the whole graph.
        name.max(figure.next_multiple_of(6).min(name.max(figures))) as u16
    }
}

/// Columns that a figure may take, where it is longer than the name: what is tried one after the other.
const FIGURES: [usize; 2] = [36, 18];
/// Columns at the right that lines to a next row go down in.
const MARGIN: u16 = 3;

/// Where a stage is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    node: usize,
    x: u16,
    /// The row of stages.
    row: u16,
    /// How the line comes to it.
    from: From,
}

/// How a line comes to a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    /// There is none.
    Nowhere,
    /// From the left.
    Left,
    /// From above: it begins a branch of that stage.
    Above(usize),
    /// Round the right margin from that stage, as its row was full.
    Margin(usize),
}

/// The two ways to draw a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shape {
    /// From left to right.
    #[default]
    Rows,
    /// One stage a row.
    Tree,
}

/// Draws the graph, with one stage selected, in the shape for which there is room.
pub fn draw(frame: &mut Frame, area: Rect, ui: &Ui, nodes: &[Node], selected: Option<(usize, bool)>) -> Shape {
    let children = children(nodes);
    let fitting = |figures| {
        let places = layout(nodes, &children, area.width, figures);
        let width = places.iter().map(|p| p.x + nodes.get(p.node).map_or(0, |n| n.width(figures))).max().unwrap_or(0);
        let height = places.iter().map(|p| p.row * ROWS + ROWS).max().unwrap_or(0);
        // A line round the margin that meets another cannot be followed.
        let round = places.iter().filter(|p| matches!(p.from, From::Margin(_))).all(|p| p.x == 3);
        (round && width <= area.width && height <= area.height).then_some((places, figures))
    };
    // Figures are cut only where whole ones find no room.
    if let Some((places, figures)) = FIGURES.into_iter().find_map(fitting) {
        draw_places(frame, area, ui, nodes, &places, figures, selected);
        Shape::Rows
    } else {
        draw_tree(frame, area, ui, nodes, &children, selected);
        Shape::Tree
    }
}

/// Per node, those behind it. Each node has one parent, the first of those before it: so it is drawn once.
fn children(nodes: &[Node]) -> Vec<Vec<usize>> {
    let ids: BTreeMap<&str, usize> = nodes.iter().enumerate().map(|(at, node)| (node.id.as_str(), at)).collect();
    let mut out = vec![Vec::new(); nodes.len()];
    for (at, node) in nodes.iter().enumerate() {
        // The one that comes last in the order of flow makes the longest way.
        let parent = node.after.iter().filter_map(|id| ids.get(id.as_str())).filter(|p| **p < at).max();
        if let Some(children) = parent.and_then(|p| out.get_mut(*p)) {
            children.push(at);
        }
    }
    out
}

/// The order in which stages are drawn, which is the order in which the selection goes through them.
pub fn order(nodes: &[Node], shape: Shape) -> Vec<usize> {
    let children = children(nodes);
    match shape {
        Shape::Rows => layout(nodes, &children, u16::MAX, 18).iter().map(|p| p.node).collect(),
        Shape::Tree => tree_rows(&children).into_iter().map(|(_, node)| node).collect(),
    }
}

/// The tree's rows: what leads to a stage, and the stage.
fn tree_rows(children: &[Vec<usize>]) -> Vec<(String, usize)> {
    let mut rows = Vec::new();
    let is_child: BTreeSet<usize> = children.iter().flatten().copied().collect();
    for root in (0..children.len()).filter(|n| !is_child.contains(n)) {
        branch(children, root, "", "", &mut rows);
    }
    rows
}

/// Each root begins a row; the longest way on from a stage stays in its row, the others begin rows below it, those of the
/// stages on the right first, so that no line crosses another.
fn layout(nodes: &[Node], children: &[Vec<usize>], width: u16, figures: usize) -> Vec<Place> {
    let mut depth = vec![1u16; nodes.len()];
    for at in (0..nodes.len()).rev() {
        let below = children.get(at).into_iter().flatten().filter_map(|c| depth.get(*c)).max().copied().unwrap_or(0);
        if let Some(depth) = depth.get_mut(at) {
            *depth = below + 1;
        }
    }
    let is_child: BTreeSet<usize> = children.iter().flatten().copied().collect();
    let mut roots: Vec<usize> = (0..nodes.len()).filter(|n| !is_child.contains(n)).collect();
    roots.sort_by_key(|n| std::cmp::Reverse(depth.get(*n).copied().unwrap_or(0)));
    let mut layout = Layout { nodes, children, depth, width, figures, row: 0, places: Vec::new() };
    for root in roots {
        layout.chain(Place { node: root, x: 0, row: layout.row, from: From::Nowhere });
        layout.row += 1;
    }
    layout.places
}

struct Layout<'a> {
    nodes: &'a [Node],
    children: &'a [Vec<usize>],
    /// Per node, how many stages there are on the longest way from it.
    depth: Vec<u16>,
    width: u16,
    figures: usize,
    /// The last row that is taken.
    row: u16,
    places: Vec<Place>,
}

impl Layout<'_> {
    fn chain(&mut self, start: Place) {
        let mut place = start;
        let mut branches = Vec::new();
        let mut rest = None;
        loop {
            self.places.push(place);
            let Some(node) = self.nodes.get(place.node) else { break };
            let mut next: Vec<usize> = self.children.get(place.node).cloned().unwrap_or_default();
            next.sort_by_key(|n| std::cmp::Reverse(self.depth.get(*n).copied().unwrap_or(0)));
            let mut next = next.into_iter();
            let along = next.next();
            branches.push((place, next.collect::<Vec<_>>()));
            let Some(along) = along else { break };
            let x = place.x.saturating_add(node.width(self.figures)).saturating_add(ARROW.chars().count() as u16);
            let end = x.saturating_add(self.nodes.get(along).map_or(0, |n| n.width(self.figures)));
            if end > self.width.saturating_sub(MARGIN) {
                rest = Some((place, along));
                break;
            }
            place = Place { node: along, x, row: place.row, from: From::Left };
        }
        for (from, others) in branches.into_iter().rev() {
            for node in others {
                self.row += 1;
                self.chain(Place { node, x: from.x + 4, row: self.row, from: From::Above(from.node) });
            }
        }
        if let Some((from, node)) = rest {
            self.row += 1;
            // A branch that is too long keeps its place, which tells that the whole does not fit.
            let x = if matches!(start.from, From::Above(_)) { start.x } else { 3 };
            self.chain(Place { node, x, row: self.row, from: From::Margin(from.node) });
        }
    }
}

fn draw_places(
    frame: &mut Frame,
    area: Rect,
    ui: &Ui,
    nodes: &[Node],
    places: &[Place],
    figures: usize,
    selected: Option<(usize, bool)>,
) {
    let buffer = frame.buffer_mut();
    let line_style = ui.style(Role::Border);
    let at = |place: &Place| (area.x + place.x, area.y + place.row * ROWS);
    let find = |node: usize| places.iter().find(|place| place.node == node);
    for place in places {
        let (x, y) = at(place);
        match place.from {
            From::Nowhere => {}
            From::Left => {
                buffer.set_string(x.saturating_sub(ARROW.chars().count() as u16), y + 1, ARROW, line_style);
            }
            From::Above(parent) => {
                let Some((px, py)) = find(parent).map(at) else { continue };
                let x = px + 1;
                for between in py + 3..=y {
                    let earlier = buffer.cell((x, between)).is_some_and(|c| c.symbol() == "╰");
                    buffer.set_string(x, between, if earlier { "├" } else { "│" }, line_style);
                }
                buffer.set_string(x, y + 1, "╰▶ ", line_style);
            }
            From::Margin(parent) => {
                let Some(parent) = find(parent) else { continue };
                let (px, py) = at(parent);
                let right = area.x + area.width - 1;
                let from = px + nodes.get(parent.node).map_or(0, |n| n.width(figures)) + 1;
                for x in from..right {
                    buffer.set_string(x, py + 1, "─", line_style);
                }
                buffer.set_string(right, py + 1, "╮", line_style);
                for between in py + 2..y {
                    buffer.set_string(right, between, "│", line_style);
                }
                buffer.set_string(right, y, "╯", line_style);
                for x in area.x + 1..right {
                    buffer.set_string(x, y, "─", line_style);
                }
                buffer.set_string(area.x, y, "╭", line_style);
                buffer.set_string(area.x, y + 1, "╰▶ ", line_style);
            }
        }
    }
    for place in places {
        let Some(node) = nodes.get(place.node) else { continue };
        let (x, y) = at(place);
        let width = usize::from(node.width(figures));
        let name = text::clean(&node.name);
        let line = Line::from(vec![
            Span::styled(node.glyph, ui.style(node.role)),
            Span::raw(" "),
            ui.span(Role::Text, text::truncate(&name, width.saturating_sub(2)).into_owned()),
        ]);
        let rect = Rect { x, y: y + 1, width: node.width(figures), height: 1 };
        ui.line(buffer, rect, 0, &line);
        let figure = text::clean(&node.figure);
        let figure = text::truncate(&figure, width.saturating_sub(2));
        buffer.set_stringn(x + 2, y + 2, figure, width, ui.style(figure_role(node.role)));
        if let Some((wanted, focused)) = selected
            && wanted == place.node
        {
            ui.select(buffer, rect, 0, focused);
        }
    }
}

fn figure_role(role: Role) -> Role {
    if matches!(role, Role::Error | Role::Warn | Role::Running) { role } else { Role::Dim }
}

fn draw_tree(
    frame: &mut Frame,
    area: Rect,
    ui: &Ui,
    nodes: &[Node],
    children: &[Vec<usize>],
    selected: Option<(usize, bool)>,
) {
    let rows = tree_rows(children);
    let mut height = usize::from(area.height);
    let at = selected.and_then(|(wanted, _)| rows.iter().position(|(_, node)| *node == wanted)).unwrap_or(0);
    let mut first = (at + 1).saturating_sub(height);
    // Where not all fit, the last row tells how many more there are.
    if rows.len() > height && height > 2 {
        height -= 1;
        first = (at + 1).saturating_sub(height);
        let (above, below) = (first, rows.len().saturating_sub(first + height));
        let told = match (above, below) {
            (0, below) => format!("… {below} more below"),
            (above, 0) => format!("… {above} more above"),
            (above, below) => format!("… {above} more above, {below} below"),
        };
        let line = Line::from(ui.span(Role::Dim, told));
        ui.line(frame.buffer_mut(), area, height as u16, &line);
    }
    let widest = rows
        .iter()
        .filter_map(|(lead, node)| Some(text::width(lead) + 2 + text::width(&text::clean(&nodes.get(*node)?.name))))
        .max()
        .unwrap_or(0)
        .min(usize::from(area.width) * 2 / 3);
    let buffer = frame.buffer_mut();
    for (row, (lead, node)) in rows.iter().skip(first).take(height).enumerate() {
        let Some(item) = nodes.get(*node) else { continue };
        let name = text::clean(&item.name);
        let figure = text::clean(&item.figure);
        let used = text::width(lead) + 2;
        // All figures begin in one column, except for those that would be cut there and need not be.
        let missing = (widest + 2 + text::width(&figure)).saturating_sub(usize::from(area.width));
        let column = widest.saturating_sub(missing).max((used + text::width(&name)).min(widest));
        let room = column.saturating_sub(used);
        let left = usize::from(area.width).saturating_sub(column + 2);
        let line = Line::from(vec![
            Span::styled(lead.as_str(), ui.style(Role::Border)),
            Span::styled(item.glyph, ui.style(item.role)),
            Span::raw(" "),
            ui.span(Role::Text, text::fit(&name, room)),
            Span::raw("  "),
            ui.span(figure_role(item.role), text::truncate(&figure, left).into_owned()),
        ]);
        ui.line(buffer, area, row as u16, &line);
        if let Some((wanted, focused)) = selected
            && wanted == *node
        {
            ui.select(buffer, area, row as u16, focused);
        }
    }
}

fn branch(children: &[Vec<usize>], node: usize, lead: &str, below: &str, rows: &mut Vec<(String, usize)>) {
    rows.push((lead.to_owned(), node));
    let own = children.get(node).map(Vec::as_slice).unwrap_or_default();
    for (at, child) in own.iter().enumerate() {
        let last = at + 1 == own.len();
        let (fork, rest) = if last { ("╰ ", "  ") } else { ("├ ", "│ ") };
        let (lead, below) = (format!("{below}{fork}"), format!("{below}{rest}"));
        branch(children, *child, &lead, &below, rows);
    }
}

#[cfg(test)]
mod tests {
    use ratatui::{Terminal, backend::TestBackend};

    use super::*;
    use crate::tui::theme::{Depth, Theme};

    fn node(id: &str, after: &[&str], figure: &str) -> Node {
        Node {
            id: id.into(),
            after: after.iter().map(|a| (*a).to_owned()).collect(),
            glyph: "●",
            name: id.into(),
            figure: figure.into(),
            role: Role::Ok,
        }
    }

    fn crypto() -> Vec<Node> {
        vec![
            node("fetch_prices", &[], "3 rec/min"),
            node("prices", &["fetch_prices"], "12 rec/min"),
            node("delivery", &["prices"], "12 s left"),
            node("landing", &["delivery"], "1,204 objects"),
            node("clean_prices", &["landing"], "SUCCEEDED"),
            node("alert_on_price", &["landing"], "2 calls"),
            node("new_files", &["landing"], "9 messages"),
            node("price_alerts", &["alert_on_price"], "2 messages"),
            node("staging", &["clean_prices"], "412 objects"),
            node("query_prices", &[], "0 calls"),
        ]
    }

    fn drawn(nodes: &[Node], width: u16, height: u16) -> String {
        let theme = Theme::load("calm", Depth::None).unwrap();
        let ui = Ui { theme: &theme, now: jiff::Timestamp::UNIX_EPOCH, covered: false };
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| _ = draw(frame, frame.area(), &ui, nodes, Some((0, true)))).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn it_goes_from_left_to_right() {
        insta::assert_snapshot!(drawn(&crypto(), 110, 16));
    }

    #[test]
    fn it_is_a_tree_where_there_is_little_room() {
        insta::assert_snapshot!(drawn(&crypto(), 50, 12));
    }

    #[test]
    fn a_full_row_goes_on_below() {
        insta::assert_snapshot!(drawn(&crypto(), 96, 20));
    }

    #[test]
    fn odd_graphs_are_no_harm() {
        drawn(&[], 10, 3);
        drawn(&[node("a", &["a", "nobody"], "")], 10, 3);
        drawn(&[node("\u{202e}東京\x1b[2J", &[], &"x".repeat(500))], 10, 3);
        drawn(&crypto(), 1, 1);
    }
}
