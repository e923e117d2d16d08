//! The lower pane: one service told at length, or what happens.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Borders, Paragraph, Wrap};

use super::{Theme, cut_off};
use crate::top::model::{Model, Pane, Stream};
use crate::view;

/// Draws the pane.
pub(super) fn draw(model: &Model, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let [head, body] = cut_off(area, 1);
    let block = Block::new().borders(Borders::TOP).title(title(model));
    frame.render_widget(block, head);
    let text = if model.pane.is_asked() { told(model) } else { events(model, theme) };
    let height = usize::from(body.height);
    if model.pane.is_tail() {
        let end = text.len().saturating_sub(model.text.scroll).max(height.min(text.len()));
        let shown = text.into_iter().take(end).skip(end.saturating_sub(height));
        frame.render_widget(Paragraph::new(shown.collect::<Vec<_>>()), body);
    } else {
        let above = model.text.scroll.min(text.len().saturating_sub(1));
        let above = u16::try_from(above).unwrap_or(u16::MAX);
        let paragraph = Paragraph::new(text).wrap(Wrap { trim: false }).scroll((above, 0));
        frame.render_widget(paragraph, body);
    }
}

fn title(model: &Model) -> String {
    let service = model.selected.as_deref().unwrap_or("-");
    match model.pane {
        Pane::Why => format!(" why {service} "),
        Pane::Detail => format!(" {service} "),
        Pane::Events => " events ".to_owned(),
        Pane::OwnEvents => format!(" events of {service} "),
        Pane::Logs => format!(" log of {service} "),
    }
}

/// Returns what the application said, if it is about what is selected.
fn told(model: &Model) -> Vec<Line<'static>> {
    let is_current = model.text.of.as_ref().is_some_and(|(pane, service)| {
        *pane == model.pane && Some(service) == model.selected.as_ref()
    });
    if !is_current {
        let text = if model.selected.is_some() { "asking ..." } else { "nothing is selected" };
        return vec![Line::styled(text, Modifier::DIM)];
    }
    model.text.lines.iter().map(|line| Line::raw(line.clone())).collect()
}

fn events(model: &Model, theme: Theme) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if model.lost > 0 {
        lines.push(Line::raw(format!("{} events are no longer held", model.lost)));
    }
    let is_shown =
        |service: Option<&String>| model.pane == Pane::Events || service == model.selected.as_ref();
    for event in model.events.iter().filter(|event| is_shown(event.service.as_ref())) {
        let text = anstream::adapter::strip_str(&view::event(event)).to_string();
        let style = event.to.map_or_else(Style::new, |to| theme.state(to));
        lines.push(Line::styled(text, style));
    }
    match &model.stream {
        Stream::Open => {}
        Stream::Broken { .. } => lines.push(Line::styled("the stream broke", theme.warning())),
        Stream::Refused { why, .. } => lines.push(Line::styled(why.clone(), theme.error())),
    }
    if lines.is_empty() {
        lines.push(Line::styled("nothing has happened yet", Modifier::DIM));
    }
    lines
}
