//! Images.

use crate::show::Show;
use iroko_store::image::Image as Row;
use iroko_wire::image::*;
use iroko_wire::label_map;

impl Show<Image> for Row {
    fn show(self) -> Image {
        let row = self;
        let labels = label_map(&row.labels);
        let Row {
            id, name, disk_format, architecture, status, size_bytes, virtual_size_bytes, sha256, created_at, ..
        } = row;
        Image {
            id,
            name,
            disk_format,
            architecture,
            status,
            size_bytes,
            virtual_size_bytes,
            sha256,
            labels,
            created_at,
        }
    }
}
