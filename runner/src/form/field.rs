//! One question of a form and everything known about it without asking anyone.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::browser::{Node, World};

/// The family of a control: decides how it is answered and read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One line of text.
    Text,
    /// Several lines of text.
    Textarea,
    /// An e-mail address.
    Email,
    /// A telephone number.
    Tel,
    /// A web address.
    Url,
    /// A number.
    Number,
    /// A slider.
    Range,
    /// A password; never answered by rules or a model.
    Password,
    /// A day.
    Date,
    /// A day, chosen in a calendar that opens.
    Calendar,
    /// A month.
    Month,
    /// A week.
    Week,
    /// A time of day.
    Time,
    /// A day and a time.
    #[serde(rename = "datetime-local")]
    DateTime,
    /// A native list, one choice.
    Select,
    /// A native list, several choices.
    SelectMultiple,
    /// Radio buttons, native or ARIA.
    Radio,
    /// One box to tick.
    Checkbox,
    /// Several boxes under one question.
    CheckboxGroup,
    /// Plain buttons of which one is the answer.
    Buttons,
    /// A list that opens, or suggests while one types.
    Combobox,
    /// An editable element that is no input.
    RichText,
    /// A file to upload.
    File,
}

impl Kind {
    /// Whether its answer is one or more of a list of options.
    pub const fn is_closed(self) -> bool {
        matches!(
            self,
            Self::Select | Self::SelectMultiple | Self::Radio | Self::CheckboxGroup | Self::Buttons
        )
    }

    /// Whether its answer may be several options.
    pub const fn is_multiple(self) -> bool {
        matches!(self, Self::SelectMultiple | Self::CheckboxGroup)
    }

    /// The word used in reports and prompts.
    pub fn word(self) -> String {
        json!(self).as_str().unwrap_or_default().to_owned()
    }
}

/// One option of a closed question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// What a person reads.
    pub label: String,
    /// What is sent, where the markup says so.
    #[serde(default)]
    pub value: String,
    /// The element to click; none for options of native lists.
    pub node: Option<u32>,
    /// Its place in a native list.
    #[serde(default)]
    pub index: u32,
    /// Whether it is chosen now.
    #[serde(default)]
    pub chosen: bool,
    /// Whether it stands for "nothing chosen".
    #[serde(default)]
    pub blank: bool,
}

/// One question.
#[derive(Clone, Debug, Deserialize)]
pub struct Field {
    /// Its name within one reading of the page: `f1`, `f2`, …
    #[serde(default)]
    pub id: String,
    /// Its family.
    pub kind: Kind,
    /// What is asked.
    pub question: String,
    /// What is said beside the question.
    pub help: String,
    /// Why it must be answered; empty when it need not.
    pub required: Vec<String>,
    /// The options, where they are known.
    pub options: Vec<Choice>,
    /// The present answer as a person reads it.
    pub value: String,
    /// The control's `name`, else its `id`.
    pub name: String,
    /// Its `autocomplete` tokens.
    pub autocomplete: String,
    /// Its placeholder.
    pub placeholder: String,
    /// The heading above it.
    pub section: String,
    /// How many characters it takes.
    pub max_length: Option<usize>,
    /// Which part of a date it is, where one is split: `month`, `day`, `year`; else empty.
    #[serde(default)]
    pub part: String,
    /// The name of the group it stands in: `Work Experience 2`.
    #[serde(default)]
    pub group: String,
    /// Whether its file input only comes to be when it is clicked.
    #[serde(default)]
    pub chooser: bool,
    /// Whether it takes several answers.
    pub multiple: bool,
    /// Whether a dialog lies over it that has to be answered first.
    #[serde(default)]
    pub covered: bool,
    /// The form element it belongs to.
    pub form: Option<u32>,
    /// What the page says is wrong with it.
    pub error: String,
    /// Our script's index of its control.
    pub node: u32,
    /// The id of its control in the frame's process.
    #[serde(skip)]
    pub backend_node_id: Option<i64>,
    /// The frame it is in.
    #[serde(skip)]
    pub world: Option<World>,
}

impl Field {
    /// Whether it must be answered.
    pub const fn is_required(&self) -> bool {
        !self.required.is_empty()
    }

    /// Its control, if it was read from a page.
    pub fn control(&self) -> Option<Node> {
        self.world.clone().map(|world| Node { world, index: self.node })
    }

    /// The element of one of its options.
    pub fn option_node(&self, option: &Choice) -> Option<Node> {
        Some(Node { world: self.world.clone()?, index: option.node? })
    }

    /// What our script needs to read its answer again.
    pub fn spec(&self) -> Value {
        json!({"node": self.node, "kind": self.kind, "options": self.options})
    }

    /// What tells it from every other field of its page.
    pub fn key(&self) -> String {
        self.node_in_browser()
            .map_or_else(|| format!("{:?}", self.signature()), |(frame, id)| format!("{frame}/{id}"))
    }

    /// Its control's frame and id; each process of the browser counts its nodes by itself.
    pub fn node_in_browser(&self) -> Option<(&str, i64)> {
        Some((self.world.as_ref()?.frame.as_ref(), self.backend_node_id?))
    }

    /// What stays the same when the page is drawn anew: used to find the field again.
    pub fn signature(&self) -> (String, Kind, String, Option<String>) {
        let frame = self.world.as_ref().map(|world| world.frame.inner().clone());
        (self.question.clone(), self.kind, self.name.clone(), frame)
    }
}

/// Something on the page that can be pressed.
#[derive(Clone, Debug, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts, none of them a state")]
pub struct Button {
    /// Our script's index of it.
    pub node: u32,
    /// What it says.
    pub text: String,
    /// Its label for screen readers, where it has one.
    #[serde(default)]
    pub label: String,
    /// The heading above it.
    #[serde(default)]
    pub section: String,
    /// Whether it submits a form by its markup.
    pub submit: bool,
    /// Whether it is a link.
    pub link: bool,
    /// Whether a dialog lies over it that has to be answered first.
    #[serde(default)]
    pub covered: bool,
    /// Whether it cannot be pressed now.
    pub disabled: bool,
    /// The form element it belongs to.
    pub form: Option<u32>,
    /// The frame it is in.
    #[serde(skip)]
    pub world: Option<World>,
}

impl Button {
    /// Its element.
    pub fn control(&self) -> Option<Node> {
        self.world.clone().map(|world| Node { world, index: self.node })
    }
}

/// What is on the page beside the form.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct PageFacts {
    /// Its address.
    pub url: String,
    /// Its title.
    pub title: String,
    /// What a person reads on it, at most 20 000 characters.
    pub text: String,
    /// Its first headings.
    pub heading: String,
    /// How many password boxes can be seen.
    pub passwords: u32,
    /// How many one-character or one-time-code boxes can be seen.
    pub codes: u32,
    /// Whether a box asks for a one-time code by its markup.
    pub code_input: bool,
    /// Captcha challenges that can be seen.
    pub challenges: Vec<String>,
    /// Captcha boxes inside the form that wait to be ticked.
    pub widgets: Vec<String>,
}
