module github.com/dennis-tra/nebula

go 1.23
