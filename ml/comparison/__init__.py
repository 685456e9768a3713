"""Several methods on several data sets, each for several seeds: trained, evaluated and laid side by side.

One cell is one method on one data set with one seed. It is carried out by a process of its own (`cell`, started by
`child`), so that a crash or a lack of memory there is that cell's failure and nobody else's. What it found (`records`)
is kept as JSON under a key over everything that decides it (`store`, `fingerprint`), and is not computed again. `table`
holds the figures against each other, `report` makes the page.
"""
