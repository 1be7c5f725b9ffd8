module trellis.example/__name__

go 1.24
