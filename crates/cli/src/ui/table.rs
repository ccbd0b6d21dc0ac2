//! Columns for the terminal. Every cell is made harmless on the way in.

use super::sanitize;

/// Where the text of a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// Rows under a heading.
pub(crate) struct Table {
    aligns: Vec<Align>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub(crate) fn new(columns: &[(&str, Align)]) -> Self {
        Self {
            aligns: columns.iter().map(|(_, align)| *align).collect(),
            rows: vec![
                columns
                    .iter()
                    .map(|(heading, _)| (*heading).to_owned())
                    .collect(),
            ],
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(
            cells
                .into_iter()
                .map(|cell| sanitize::text(&cell))
                .collect(),
        );
    }

    /// The lines: the headings, then the rows; no trailing spaces.
    pub(crate) fn lines(&self) -> Vec<String> {
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
        };
        let widths: Vec<usize> = (0..self.aligns.len())
            .map(|column| width(column).unwrap_or(0))
            .collect();
        self.rows
            .iter()
            .map(|row| {
                let cells: Vec<String> = row
                    .iter()
                    .zip(self.aligns.iter().zip(&widths))
                    .map(|(cell, (align, width))| match align {
                        Align::Left => format!("{cell:<width$}"),
                        Align::Right => format!("{cell:>width$}"),
                    })
                    .collect();
                cells.join("  ").trim_end().to_owned()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_cells_are_harmless() {
        let mut table = Table::new(&[("name", Align::Left), ("size", Align::Right)]);
        table.row(["ä\x1b".to_owned(), "7".to_owned()]);
        table.row(["longer name".to_owned(), "12,000".to_owned()]);
        assert_eq!(
            table.lines(),
            [
                "name           size",
                "ä\\u{1b}           7",
                "longer name  12,000"
            ]
        );
    }
}
