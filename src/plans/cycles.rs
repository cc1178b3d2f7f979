//! Finds the cycles of a directed graph in linear time, without recursion.

/// A node that was not visited yet.
const NEW: usize = usize::MAX;

/// The sets of nodes that can reach each other, each sorted: those of two and more, and nodes with an edge to
/// themselves. `edges[n]` are the nodes that `n` leads to. (R. Tarjan, "Depth-first search and linear graph
/// algorithms", 1972.)
pub fn find(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut search = Search { met: vec![NEW; edges.len()], low: vec![NEW; edges.len()], ..Search::default() };
    for root in 0..edges.len() {
        if search.met[root] == NEW {
            search.from(root, edges);
        }
    }
    search.found.sort();
    search.found
}

#[derive(Default)]
struct Search {
    /// The visit order of each node.
    met: Vec<usize>,
    /// The earliest node that each leads back to; `NEW` again once its set is complete.
    low: Vec<usize>,
    count: usize,
    /// The nodes whose sets are not complete.
    open: Vec<usize>,
    found: Vec<Vec<usize>>,
}

impl Search {
    fn from(&mut self, root: usize, edges: &[Vec<usize>]) {
        // The nodes of the current path, each with the number of edges followed.
        let mut way = vec![(root, 0)];
        self.meet(root);
        while let Some((node, followed)) = way.last_mut() {
            let node = *node;
            if let Some(&next) = edges[node].get(*followed) {
                *followed += 1;
                if self.met[next] == NEW {
                    self.meet(next);
                    way.push((next, 0));
                } else if self.low[next] != NEW {
                    self.low[node] = self.low[node].min(self.met[next]);
                }
                continue;
            }
            way.pop();
            let low = self.low[node];
            if low == self.met[node] {
                self.complete(node, edges);
            } else if let Some((before, _)) = way.last() {
                self.low[*before] = self.low[*before].min(low);
            }
        }
    }

    fn meet(&mut self, node: usize) {
        self.met[node] = self.count;
        self.low[node] = self.count;
        self.count += 1;
        self.open.push(node);
    }

    /// The node and all open nodes visited after it reach each other.
    fn complete(&mut self, node: usize, edges: &[Vec<usize>]) {
        let start = self.open.iter().rposition(|open| *open == node).unwrap_or(0);
        let mut set = self.open.split_off(start);
        set.iter().for_each(|done| self.low[*done] = NEW);
        if set.len() > 1 || edges[node].contains(&node) {
            set.sort_unstable();
            self.found.push(set);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_nodes_that_reach_each_other() {
        let edges = [vec![1], vec![2], vec![0, 3], vec![4], vec![3], vec![5], vec![0, 5], vec![]];
        assert_eq!(find(&edges), [vec![0, 1, 2], vec![3, 4], vec![5]]);
        assert!(find(&[vec![1], vec![2], vec![]]).is_empty());
    }

    #[test]
    fn long_cycles_need_no_recursion() {
        let chain: Vec<Vec<usize>> = (0..200_000).map(|n| vec![(n + 1) % 200_000]).collect();
        assert_eq!(find(&chain)[0].len(), 200_000);
    }
}
