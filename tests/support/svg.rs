//! A terminal's screen as an SVG picture.

use std::fmt::Write;

use vt100::{Cell, Color, Screen};

const WIDTH: f32 = 8.4;
const HEIGHT: f32 = 18.0;
const BACKGROUND: &str = "#16181d";
const FOREGROUND: &str = "#d5d8de";
/// The 16 colours of a common palette.
const PALETTE: [&str; 16] = [
    "#16181d", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#abb2bf", "#5c6370", "#e06c75",
    "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#ffffff",
];

/// Draws the screen.
pub fn svg(screen: &Screen) -> String {
    let (rows, cols) = screen.size();
    let (rows, cols) = (rows.get(), cols.get());
    let (width, height) = (f32::from(cols) * WIDTH + 16.0, f32::from(rows) * HEIGHT + 16.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         font-family=\"'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"{BACKGROUND}\"/>\n"
    );
    for row in 0..rows {
        let mut col = 0;
        while col < cols {
            let Some(cell) = screen.cell(row, col) else { break };
            let style = style(cell);
            let start = col;
            let mut text = String::new();
            while let Some(next) = screen.cell(row, col).filter(|c| self::style(c) == style) {
                if !next.is_wide_continuation() {
                    text.push_str(if next.contents().is_empty() { " " } else { next.contents() });
                }
                col += 1;
                if col == cols {
                    break;
                }
            }
            draw(&mut out, row, start, col - start, &text, &style);
        }
    }
    out.push_str("</svg>\n");
    out
}

#[derive(PartialEq)]
struct Style {
    fg: String,
    bg: Option<String>,
    bold: bool,
    underline: bool,
}

fn style(cell: &Cell) -> Style {
    let fg = colour(cell.fgcolor()).unwrap_or_else(|| FOREGROUND.to_owned());
    let bg = colour(cell.bgcolor());
    let (fg, bg) = if cell.inverse() { (bg.unwrap_or_else(|| BACKGROUND.to_owned()), Some(fg)) } else { (fg, bg) };
    Style { fg, bg, bold: cell.bold(), underline: cell.underline() }
}

fn colour(colour: Color) -> Option<String> {
    match colour {
        Color::Default => None,
        Color::Idx(i @ 0..16) => PALETTE.get(usize::from(i)).map(|c| (*c).to_owned()),
        Color::Idx(i @ 16..232) => {
            let level = |n: u8| if n == 0 { 0 } else { 55 + 40 * u16::from(n) };
            let i = i - 16;
            Some(format!("#{:02x}{:02x}{:02x}", level(i / 36), level(i / 6 % 6), level(i % 6)))
        }
        Color::Idx(i) => {
            let grey = 8 + 10 * u16::from(i - 232);
            Some(format!("#{grey:02x}{grey:02x}{grey:02x}"))
        }
        Color::Rgb(r, g, b) => Some(format!("#{r:02x}{g:02x}{b:02x}")),
    }
}

fn draw(out: &mut String, row: u16, col: u16, cells: u16, text: &str, style: &Style) {
    let (x, y) = (8.0 + f32::from(col) * WIDTH, 8.0 + f32::from(row) * HEIGHT);
    let width = f32::from(cells) * WIDTH;
    if let Some(bg) = &style.bg {
        let _ =
            writeln!(out, "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{HEIGHT}\" fill=\"{bg}\"/>");
    }
    if text.trim().is_empty() {
        return;
    }
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let bold = if style.bold { " font-weight=\"bold\"" } else { "" };
    let underline = if style.underline { " text-decoration=\"underline\"" } else { "" };
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{width:.1}\" xml:space=\"preserve\" fill=\"{}\"{bold}{underline}>{text}</text>",
        y + 13.5,
        style.fg
    );
}
