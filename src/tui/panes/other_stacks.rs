//! Stacks that no pipeline here made, in the Deploy pane: looked at, and left alone.

use ratatui::{Frame, layout::Rect};

use crate::{
    cloud::stacks::{Operation, Stack, StackResource},
    tui::{
        data::{Loaded, moment},
        theme::Role,
        ui::{Ui, below, left},
        widgets::list::Scroll,
    },
};

/// What the Deploy pane knows of a stack: as it is, and what was done to it.
type Known = Loaded<(Option<Stack>, Vec<Operation>)>;

/// Why nothing is done to it here.
pub fn refusal(stack: &str) -> String {
    format!("{stack} was not made by a pipeline here: change it where it was made")
}

/// Its resources, as far as they are known.
pub fn resources(known: &Known) -> &[StackResource] {
    let stack = known.value.as_ref().and_then(|(stack, _)| stack.as_ref());
    stack.map(|s| s.resources.as_slice()).unwrap_or_default()
}

/// The selected resource, and the stack's outputs, in lines.
pub fn details(known: &Known, selected: usize) -> Option<(String, Vec<String>)> {
    let stack = known.value.as_ref().and_then(|(stack, _)| stack.as_ref())?;
    let resource = stack.resources.get(selected)?;
    let mut lines = vec![
        format!("kind           {}", resource.kind),
        format!("physical name  {}", resource.physical_name),
        format!("status         {}", resource.status),
        format!("updated        {}", resource.updated),
    ];
    if !stack.outputs.is_empty() {
        lines.extend([String::new(), format!("outputs of {}", stack.name)]);
        lines.extend(stack.outputs.iter().map(|o| format!("  {}  {}", o.name, o.value)));
    }
    Some((resource.logical_id.clone(), lines))
}

/// Draws the resources of a stack.
pub fn draw(frame: &mut Frame, area: Rect, ui: &Ui, known: &Known, scroll: &Scroll, focused: bool) {
    let resources = resources(known);
    let title = match known.value.as_ref().and_then(|(stack, _)| stack.as_ref()) {
        Some(stack) => match (&stack.pipeline, &stack.env) {
            (Some(pipeline), Some(env)) => format!("Resources · {pipeline} in {env}"),
            _ => "Resources".to_owned(),
        },
        None => "Resources".to_owned(),
    };
    let inner = ui.frame(frame, area, &title, focused);
    let buffer = frame.buffer_mut();
    let used = ui.loaded(buffer, inner, known, "it has no resources", resources.is_empty());
    let inner = below(inner, used);
    if resources.is_empty() {
        return;
    }
    let wide = inner.width >= 90;
    let columns = if wide {
        vec![
            left("  status", 22),
            left("kind", 28),
            left("resource", 28),
            left("updated", 16),
            left("physical name", 0),
        ]
    } else {
        vec![left("  status", 20), left("resource", 0)]
    };
    let visible = scroll.visible(usize::from(inner.height.saturating_sub(1)), resources.len());
    ui.table(buffer, inner, &columns, visible, Some((scroll.selected(), focused)), |n| {
        let Some(resource) = resources.get(n) else { return Vec::new() };
        let (glyph, role) = super::deploy::status(&resource.status);
        let status = (role, format!("{glyph} {}", resource.status));
        let name = (Role::Text, resource.logical_id.clone());
        if !wide {
            return vec![status, name];
        }
        let kind = (Role::Dim, resource.kind.clone());
        let updated = (Role::Text, moment(resource.updated, ui.now));
        vec![status, kind, name, updated, (Role::Dim, resource.physical_name.clone())]
    });
}
