//! From a YAML text to its documents.

use std::collections::HashMap;
use std::mem;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use thiserror::Error;

use crate::inject::yaml::node::{YamlKind, YamlNode};

/// Levels of nesting; an object of Kubernetes has a quarter of them.
const DEPTH_MAX: usize = 100;

/// Nodes that the aliases of a text may stand for, all together.
const ALIASED_MAX: usize = 1 << 20;

/// Why a text cannot be read.
#[derive(Debug, Error)]
#[error("line {line}: {what}")]
pub(crate) struct ReadError {
    line: usize,
    what: String,
}

/// The documents of a text; one without content is left out.
pub(crate) fn documents(text: &str) -> Result<Vec<YamlNode>, ReadError> {
    let places = Places::new(text);
    // A fault at the end of the text is on its last line.
    let lines = text.lines().count().max(1);
    let fault = |line: usize, what: String| ReadError { line: line.min(lines), what };
    let (mut documents, mut open) = (Vec::new(), Vec::<Open>::new());
    let mut sizes = Sizes::default();
    for event in Parser::new_from_str(text) {
        let (event, span) =
            event.map_err(|error| fault(error.marker().line(), error.info().to_owned()))?;
        if open.len() > DEPTH_MAX {
            let what = format!("more than {DEPTH_MAX} levels");
            return Err(fault(span.start.line(), what));
        }
        let node = match event {
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => continue,
            Event::MappingStart(anchor, _) => {
                sizes.all += 1;
                open.push(Open::new(places.node(span, anchor), true, sizes.all));
                continue;
            }
            Event::SequenceStart(anchor, _) => {
                sizes.all += 1;
                open.push(Open::new(places.node(span, anchor), false, sizes.all));
                continue;
            }
            Event::MappingEnd | Event::SequenceEnd => {
                let Some(ended) = open.pop() else { continue };
                sizes.on_anchor(ended.node.anchor, sizes.all.saturating_sub(ended.before) + 1);
                ended.close(span, &places)
            }
            Event::Alias(anchor) => {
                sizes.on_alias(anchor);
                if sizes.aliased > ALIASED_MAX {
                    let what = format!("its aliases stand for more than {ALIASED_MAX} nodes");
                    return Err(fault(span.start.line(), what));
                }
                YamlNode { kind: YamlKind::Alias(anchor), ..places.node(span, 0) }
            }
            Event::Scalar(text, style, anchor, _) => {
                sizes.all += 1;
                sizes.on_anchor(anchor, 1);
                let is_plain = style == ScalarStyle::Plain;
                let kind = YamlKind::Scalar { text: text.into_owned(), is_plain };
                places.scalar(YamlNode { kind, ..places.node(span, anchor) })
            }
        };
        match open.last_mut() {
            Some(collection) => collection.nodes.push(node),
            None if node.text() == Some("") => {}
            None => documents.push(node),
        }
    }
    Ok(documents)
}

/// How many nodes there are, those that aliases stand for with them.
#[derive(Default)]
struct Sizes {
    all: usize,
    aliased: usize,
    anchored: HashMap<usize, usize>,
}

impl Sizes {
    fn on_anchor(&mut self, anchor: usize, size: usize) {
        if anchor != 0 {
            self.anchored.insert(anchor, size);
        }
    }

    fn on_alias(&mut self, anchor: usize) {
        let size = self.anchored.get(&anchor).copied().unwrap_or(1);
        self.all = self.all.saturating_add(size);
        self.aliased = self.aliased.saturating_add(size);
    }
}

/// A collection whose end has not been read.
struct Open {
    node: YamlNode,
    /// Nodes with it, and before it.
    before: usize,
    is_mapping: bool,
    /// Items, or keys and values by turns.
    nodes: Vec<YamlNode>,
}

impl Open {
    fn new(node: YamlNode, is_mapping: bool, before: usize) -> Self {
        Self { node, before, is_mapping, nodes: Vec::new() }
    }

    fn close(mut self, span: Span, places: &Places<'_>) -> YamlNode {
        // A collection in brackets ends with one; another where something else begins.
        let is_flow = !span.is_empty();
        let content = self.nodes.last().map_or(self.node.start, |last| last.end);
        self.node.end = if is_flow { places.offset(span.end.index()) } else { content };
        self.node.kind = if self.is_mapping {
            let mut nodes = mem::take(&mut self.nodes).into_iter();
            let mut entries = Vec::new();
            while let (Some(key), Some(value)) = (nodes.next(), nodes.next()) {
                entries.push((key, value));
            }
            YamlKind::Mapping { entries, is_flow }
        } else {
            YamlKind::Sequence { items: self.nodes, is_flow }
        };
        self.node
    }
}

/// Bytes by characters: the parser counts characters.
struct Places<'a> {
    text: &'a str,
    /// Offset of each character; `None` where each is one byte.
    offsets: Option<Vec<usize>>,
}

impl<'a> Places<'a> {
    fn new(text: &'a str) -> Self {
        let all = || text.char_indices().map(|(offset, _)| offset).collect();
        Self { text, offsets: (!text.is_ascii()).then(all) }
    }

    fn offset(&self, index: usize) -> usize {
        let len = self.text.len();
        match &self.offsets {
            Some(offsets) => offsets.get(index).copied().unwrap_or(len),
            None => index.min(len),
        }
    }

    /// A node at this place that is nothing yet.
    fn node(&self, span: Span, anchor: usize) -> YamlNode {
        YamlNode {
            kind: YamlKind::Alias(0),
            start: self.offset(span.start.index()),
            end: self.offset(span.end.index()),
            column: span.start.col(),
            anchor,
        }
    }

    /// A text of several lines reaches to the beginning of the line after it; that end is not its own.
    fn scalar(&self, mut node: YamlNode) -> YamlNode {
        if let Some(own) = self.text.get(node.start..node.end) {
            node.end = node.start + own.trim_end_matches(['\r', '\n']).len();
        }
        node
    }
}
