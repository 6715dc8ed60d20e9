//! Parsed programs.

use std::rc::Rc;

use posix_regex::Regex;

/// A whole program.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub(super) begin: Vec<Vec<Stmt>>,
    pub(super) rules: Vec<Rule>,
    pub(super) end: Vec<Vec<Stmt>>,
    pub(super) functions: Vec<Function>,
    /// The names of global variables, by their number.
    pub(super) globals: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) pattern: Pattern,
    /// `None`: print the record.
    pub(super) body: Option<Vec<Stmt>>,
}

#[derive(Debug)]
pub(super) enum Pattern {
    Always,
    If(Expr),
    /// The index says which of the ranges it is.
    Range(Expr, Expr, usize),
}

#[derive(Debug, Default)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) parameters: usize,
    /// Which parameters are used as arrays.
    pub(super) arrays: Vec<bool>,
    pub(super) body: Vec<Stmt>,
    pub(super) is_defined: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Global(usize),
    Local(usize),
}

#[derive(Debug)]
pub(super) enum Stmt {
    Expr(Expr),
    Print(Vec<Expr>, Option<Redirect>),
    Printf(Vec<Expr>, Option<Redirect>),
    If(Expr, Vec<Stmt>, Vec<Stmt>),
    While(Expr, Vec<Stmt>),
    DoWhile(Vec<Stmt>, Expr),
    For(Option<Box<Stmt>>, Option<Expr>, Option<Box<Stmt>>, Vec<Stmt>),
    ForIn(Expr, Name, Vec<Stmt>),
    Delete(Name, Option<Vec<Expr>>),
    Break,
    Continue,
    Next,
    NextFile,
    Exit(Option<Expr>),
    Return(Option<Expr>),
    Block(Vec<Stmt>),
}

#[derive(Debug)]
pub(super) enum Redirect {
    To(Expr),
    Append(Expr),
    Pipe(Expr),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Less,
    LessEqual,
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
}

#[derive(Debug)]
pub(super) enum Expr {
    Number(f64),
    Text(Rc<str>),
    Regex(Rc<Regex>),
    Var(Name),
    Field(Box<Expr>),
    Element(Name, Vec<Expr>),
    Assign(Box<Expr>, Option<Op>, Box<Expr>),
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Minus(Box<Expr>),
    Plus(Box<Expr>),
    Binary(Op, Box<Expr>, Box<Expr>),
    Compare(Order, Box<Expr>, Box<Expr>),
    Match(bool, Box<Expr>, Box<Expr>),
    In(Vec<Expr>, Name),
    Concat(Box<Expr>, Box<Expr>),
    /// By how much, and whether the value is the one before.
    Step(Box<Expr>, f64, bool),
    Call(usize, Vec<Expr>),
    Builtin(&'static str, Vec<Expr>),
    Getline(Source, Option<Box<Expr>>),
    /// `(a, b)`, for print and `in`.
    List(Vec<Expr>),
}

#[derive(Debug)]
pub(super) enum Source {
    Main,
    File(Box<Expr>),
    Command(Box<Expr>),
}

impl Expr {
    pub(super) fn is_place(&self) -> bool {
        matches!(self, Self::Var(_) | Self::Field(_) | Self::Element(..))
    }
}
