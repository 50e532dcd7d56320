//! Colours: themes are palettes and roles in `themes/*.toml`, built into the binary.
//!
//! Code asks for a role, never for a colour. Where the terminal has 16 colours, every theme is replaced by `terminal`;
//! with `NO_COLOR`, the roles keep their bold, underlined and reversed alone.

use std::collections::BTreeMap;

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;

/// What a piece of the screen means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Plain text.
    Text,
    /// Text of less weight: units, times, hints.
    Dim,
    /// Lines around things.
    Border,
    /// The frame that has the focus.
    Focus,
    /// Titles.
    Title,
    /// The header.
    Header,
    /// The tab of the pane that is shown.
    Tab,
    /// The selected row.
    Selection,
    /// Keys in hints.
    Key,
    /// It is well.
    Ok,
    /// It is at work.
    Running,
    /// It wants attention.
    Warn,
    /// It is wrong.
    Error,
    /// Nothing goes on.
    Idle,
    /// What a filter found.
    Match,
    /// The word READ-ONLY.
    Readonly,
    /// Something that would be added.
    Added,
    /// Something that would be removed.
    Removed,
    /// Something that would be changed.
    Changed,
    /// SQL's own words, names of keys in JSON.
    Keyword,
    /// Numbers.
    Number,
}

/// All roles, in order.
const ROLES: [Role; 21] = [
    Role::Text,
    Role::Dim,
    Role::Border,
    Role::Focus,
    Role::Title,
    Role::Header,
    Role::Tab,
    Role::Selection,
    Role::Key,
    Role::Ok,
    Role::Running,
    Role::Warn,
    Role::Error,
    Role::Idle,
    Role::Match,
    Role::Readonly,
    Role::Added,
    Role::Removed,
    Role::Changed,
    Role::Keyword,
    Role::Number,
];

/// How many colours there are to paint with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// None: `NO_COLOR`.
    None,
    /// The terminal's own 16.
    Sixteen,
    /// The 256 of xterm.
    Indexed,
    /// 24 bits.
    True,
}

impl Depth {
    /// What the environment says of the terminal.
    pub fn detect(var: impl Fn(&str) -> Option<String>) -> Self {
        let has = |name: &str| var(name).filter(|v| !v.is_empty());
        let term = has("TERM").unwrap_or_default();
        if has("NO_COLOR").is_some() || term == "dumb" {
            return Self::None;
        }
        let colorterm = has("COLORTERM").unwrap_or_default();
        if colorterm.contains("truecolor") || colorterm.contains("24bit") || term.ends_with("-direct") {
            Self::True
        } else if term.contains("256") {
            Self::Indexed
        } else {
            Self::Sixteen
        }
    }
}

/// The styles of all roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Theme {
    /// Its name.
    pub name: String,
    styles: [Style; ROLES.len()],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    palette: BTreeMap<String, String>,
    roles: BTreeMap<Role, String>,
}

#[derive(rust_embed::RustEmbed)]
#[folder = "themes/"]
struct Files;

/// The built-in themes: names and descriptions.
pub fn built_in() -> Vec<(String, String)> {
    let mut out: Vec<_> = Files::iter()
        .filter_map(|path| Files::get(&path))
        .filter_map(|file| toml::from_str::<File>(&String::from_utf8_lossy(&file.data)).ok())
        .map(|file| (file.name, file.description))
        .collect();
    out.sort();
    out
}

impl Theme {
    /// A built-in theme for so many colours.
    ///
    /// # Errors
    /// Where there is none of that name: what there is.
    pub fn load(name: &str, depth: Depth) -> Result<Self, String> {
        let path = |name: &str| format!("{name}.toml");
        if Files::get(&path(name)).is_none() {
            let names: Vec<_> = built_in().into_iter().map(|(name, _)| name).collect();
            return Err(format!("no theme {name:?}: there are {}", names.join(", ")));
        }
        let file = if matches!(depth, Depth::Sixteen | Depth::None) { "terminal" } else { name };
        let text = Files::get(&path(file)).map(|f| String::from_utf8_lossy(&f.data).into_owned()).unwrap_or_default();
        let mut theme = Self::parse(&text)?;
        name.clone_into(&mut theme.name);
        for style in &mut theme.styles {
            match depth {
                Depth::None => *style = Style { fg: None, bg: None, ..*style },
                Depth::Indexed => {
                    style.fg = style.fg.map(indexed);
                    style.bg = style.bg.map(indexed);
                }
                Depth::Sixteen | Depth::True => {}
            }
        }
        Ok(theme)
    }

    /// The theme in a file's text, in all its colours.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|e| e.to_string())?;
        let mut styles = [Style::new(); ROLES.len()];
        for (role, style) in ROLES.iter().zip(&mut styles) {
            let spec = file.roles.get(role).ok_or_else(|| format!("the role {role:?} is missing"))?;
            *style = parse_style(spec, &file.palette)?;
        }
        Ok(Self { name: file.name, styles })
    }

    /// A role's style.
    pub fn style(&self, role: Role) -> Style {
        self.styles.get(role as usize).copied().unwrap_or_default()
    }
}

/// `ink on slate bold`: names of the palette or of the 16 colours, then what else.
fn parse_style(spec: &str, palette: &BTreeMap<String, String>) -> Result<Style, String> {
    let mut style = Style::new();
    let mut background = false;
    for word in spec.split_whitespace() {
        match word {
            "on" => background = true,
            "bold" => style = style.add_modifier(Modifier::BOLD),
            "underlined" => style = style.add_modifier(Modifier::UNDERLINED),
            "reversed" => style = style.add_modifier(Modifier::REVERSED),
            "italic" => style = style.add_modifier(Modifier::ITALIC),
            "reset" => {}
            name => {
                let code = palette.get(name).map_or(name, String::as_str);
                let color: Color = code.parse().map_err(|_| format!("{name:?} in {spec:?} is no colour"))?;
                style = if background { style.bg(color) } else { style.fg(color) };
                background = false;
            }
        }
    }
    Ok(style)
}

/// The nearest of xterm's 216 colours or 24 greys.
fn indexed(color: Color) -> Color {
    let Color::Rgb(r, g, b) = color else { return color };
    let level = |v: u8| if v < 48 { 0u8 } else { ((u16::from(v).max(115) - 35) / 40) as u8 };
    let value = |l: u8| if l == 0 { 0i32 } else { 55 + 40 * i32::from(l) };
    let (lr, lg, lb) = (level(r), level(g), level(b));
    let grey = ((i32::from(r) + i32::from(g) + i32::from(b)) / 3 - 3).clamp(0, 235) / 10;
    let far =
        |x: i32, y: i32, z: i32| (x - i32::from(r)).pow(2) + (y - i32::from(g)).pow(2) + (z - i32::from(b)).pow(2);
    let grey_value = 8 + 10 * grey.min(23);
    if far(grey_value, grey_value, grey_value) < far(value(lr), value(lg), value(lb)) {
        Color::Indexed(232 + grey.min(23) as u8)
    } else {
        Color::Indexed(16 + 36 * lr + 6 * lg + lb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_theme_is_whole() {
        assert!(built_in().len() >= 4);
        for (name, description) in built_in() {
            let file = Files::get(&format!("{name}.toml")).unwrap();
            let text = String::from_utf8_lossy(&file.data).into_owned();
            Theme::parse(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(!description.is_empty(), "{name}");
            for depth in [Depth::None, Depth::Sixteen, Depth::Indexed, Depth::True] {
                let theme = Theme::load(&name, depth).unwrap();
                let colours: Vec<_> = theme.styles.iter().flat_map(|s| [s.fg, s.bg]).flatten().collect();
                match depth {
                    Depth::None => assert!(colours.is_empty()),
                    Depth::Sixteen => {
                        assert!(!colours.iter().any(|c| matches!(c, Color::Rgb(..) | Color::Indexed(_))));
                    }
                    Depth::Indexed => assert!(!colours.iter().any(|c| matches!(c, Color::Rgb(..)))),
                    Depth::True => {}
                }
                assert_ne!(theme.style(Role::Selection), Style::new(), "{name}: a selection that nobody sees");
            }
        }
    }

    #[test]
    fn roles_are_in_the_order_of_their_numbers() {
        for (at, role) in ROLES.iter().enumerate() {
            assert_eq!(*role as usize, at);
        }
    }

    #[test]
    fn mistakes_are_told() {
        assert!(Theme::load("nosuch", Depth::True).unwrap_err().contains("calm"));
        assert!(parse_style("puce", &BTreeMap::new()).unwrap_err().contains("puce"));
        assert!(Theme::parse("name = 'x'\n[roles]\ntext = 'red'").unwrap_err().contains("missing"));
    }

    #[test]
    fn colours_come_from_the_environment() {
        let env = |pairs: &'static [(&str, &str)]| {
            move |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
        };
        assert_eq!(Depth::detect(env(&[("TERM", "xterm-256color")])), Depth::Indexed);
        assert_eq!(Depth::detect(env(&[("TERM", "xterm"), ("COLORTERM", "truecolor")])), Depth::True);
        assert_eq!(Depth::detect(env(&[("TERM", "linux")])), Depth::Sixteen);
        assert_eq!(Depth::detect(env(&[("TERM", "xterm-256color"), ("NO_COLOR", "1")])), Depth::None);
        assert_eq!(indexed(Color::Rgb(255, 255, 255)), Color::Indexed(231));
        assert_eq!(indexed(Color::Rgb(128, 128, 128)), Color::Indexed(244));
    }
}
