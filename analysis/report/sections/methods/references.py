"""The papers that the methods cite, each a value: a line of the page's list and an entry of a BibTeX file."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """A paper or a book; names, titles and venues as they are written, beyond ASCII too."""

    key: str
    authors: tuple[str, ...]
    """Each with the family name first, then a comma and the initials; an institution has no comma."""
    title: str
    year: int
    venue: str
    """The journal, the proceedings or the publisher."""
    volume: str = ""
    pages: str = ""
    """First and last, or the number of an article."""
    kind: str = "article"
    """Type of the BibTeX entry: article, inproceedings, book or misc."""

    @property
    def short(self) -> str:
        """The paper in a sentence, such as ``Kingma and Ba 2015``."""
        families = [author.split(",")[0] for author in self.authors]
        if len(families) > 3:
            return f"{families[0]} et al. {self.year}"
        *first, last = families
        return f"{', '.join(first)} and {last} {self.year}" if first else f"{last} {self.year}"

    @property
    def line(self) -> str:
        """The paper in a list."""
        name, place = self.short.rpartition(" ")[0], " ".join(filter(None, (self.venue, self.volume)))
        return f"{name} ({self.year}). {self.title}. {', '.join(filter(None, (place, self.pages)))}."


def _all(*references: Reference) -> dict[str, Reference]:
    return {reference.key: reference for reference in references}


REFERENCES = _all(
    Reference(
        "akiba2019", ("Akiba, T.", "Sano, S.", "Yanase, T.", "Ohta, T.", "Koyama, M."),
        "Optuna: a next-generation hyperparameter optimization framework", 2019, "KDD", "", "2623-2631",
        "inproceedings",
    ),
    Reference(
        "aldornoiman2013",
        ("Aldor-Noiman, S.", "Brown, L. D.", "Buja, A.", "Rolke, W.", "Stine, R. A."),
        "The power to see: a new graphical test of normality", 2013, "Am. Stat.", "67", "249-260",
    ),
    Reference(
        "ba2016", ("Ba, J. L.", "Kiros, J. R.", "Hinton, G. E."), "Layer normalization", 2016, "arXiv 1607.06450",
        kind="misc",
    ),
    Reference(
        "berger1982", ("Berger, R. L.",), "Multiparameter hypothesis testing and acceptance sampling", 1982,
        "Technometrics", "24", "295-300",
    ),
    Reference(
        "bonett2012", ("Bonett, D. G.", "Price, R. M."),
        "Adjusted Wald confidence interval for a difference of binomial proportions based on paired data", 2012,
        "J. Educ. Behav. Stat.", "37", "479-488",
    ),
    Reference(
        "brodersen2010", ("Brodersen, K. H.", "Ong, C. S.", "Stephan, K. E.", "Buhmann, J. M."),
        "The balanced accuracy and its posterior distribution", 2010, "ICPR", "", "3121-3124", "inproceedings",
    ),
    Reference(
        "clanuwat2018",
        ("Clanuwat, T.", "Bober-Irizar, M.", "Kitamoto, A.", "Lamb, A.", "Yamamoto, K.", "Ha, D."),
        "Deep learning for classical Japanese literature", 2018, "arXiv 1812.01718", kind="misc",
    ),
    Reference(
        "clopper1934", ("Clopper, C. J.", "Pearson, E. S."),
        "The use of confidence or fiducial limits illustrated in the case of the binomial", 1934, "Biometrika",
        "26", "404-413",
    ),
    Reference(
        "davison1997", ("Davison, A. C.", "Hinkley, D. V."), "Bootstrap methods and their application", 1997,
        "Cambridge University Press", kind="book",
    ),
    Reference(
        "delong1988", ("DeLong, E. R.", "DeLong, D. M.", "Clarke-Pearson, D. L."),
        "Comparing the areas under two or more correlated receiver operating characteristic curves: a nonparametric"
        " approach", 1988, "Biometrics", "44", "837-845",
    ),
    Reference(
        "dodge2019", ("Dodge, J.", "Gururangan, S.", "Card, D.", "Schwartz, R.", "Smith, N. A."),
        "Show your work: improved reporting of experimental results", 2019, "EMNLP-IJCNLP", "", "2185-2194",
        "inproceedings",
    ),
    Reference(
        "dunn1961", ("Dunn, O. J.",), "Multiple comparisons among means", 1961, "J. Am. Stat. Assoc.", "56", "52-64",
    ),
    Reference(
        "dunnett1955", ("Dunnett, C. W.",),
        "A multiple comparison procedure for comparing several treatments with a control", 1955,
        "J. Am. Stat. Assoc.", "50", "1096-1121",
    ),
    Reference(
        "fieller1954", ("Fieller, E. C.",), "Some problems in interval estimation", 1954, "J. R. Stat. Soc. B",
        "16", "175-185",
    ),
    Reference(
        "fisher1935", ("Fisher, R. A.",), "The design of experiments", 1935, "Oliver and Boyd", kind="book",
    ),
    Reference(
        "gardner1986", ("Gardner, M. J.", "Altman, D. G."),
        "Confidence intervals rather than P values: estimation rather than hypothesis testing", 1986, "Br. Med. J.",
        "292", "746-750",
    ),
    Reference(
        "gelman2013",
        ("Gelman, A.", "Carlin, J. B.", "Stern, H. S.", "Dunson, D. B.", "Vehtari, A.", "Rubin, D. B."),
        "Bayesian data analysis, third edition", 2013, "CRC Press", kind="book",
    ),
    Reference(
        "hahn1991", ("Hahn, G. J.", "Meeker, W. Q."), "Statistical intervals", 1991, "Wiley", kind="book",
    ),
    Reference(
        "hartigan1969", ("Hartigan, J. A.",), "Using subsample values as typical values", 1969,
        "J. Am. Stat. Assoc.", "64", "1303-1317",
    ),
    Reference(
        "hedges1981", ("Hedges, L. V.",),
        "Distribution theory for Glass's estimator of effect size and related estimators", 1981, "J. Educ. Stat.",
        "6", "107-128",
    ),
    Reference(
        "hodges1963", ("Hodges, J. L.", "Lehmann, E. L."), "Estimates of location based on rank tests", 1963,
        "Ann. Math. Stat.", "34", "598-611",
    ),
    Reference(
        "holm1979", ("Holm, S.",), "A simple sequentially rejective multiple test procedure", 1979,
        "Scand. J. Stat.", "6", "65-70",
    ),
    Reference(
        "horowitz2000", ("Horowitz, J. L.", "Manski, C. F."),
        "Nonparametric analysis of randomized experiments with missing covariate and outcome data", 2000,
        "J. Am. Stat. Assoc.", "95", "77-84",
    ),
    Reference(
        "ich2019", ("ICH E9(R1)",),
        "Addendum on estimands and sensitivity analysis in clinical trials to the guideline on statistical principles"
        " for clinical trials", 2019, "International Council for Harmonisation", kind="misc",
    ),
    Reference(
        "ioffe2015", ("Ioffe, S.", "Szegedy, C."),
        "Batch normalization: accelerating deep network training by reducing internal covariate shift", 2015, "ICML",
        "", "448-456", "inproceedings",
    ),
    Reference(
        "jordan2023", ("Jordan, K.",),
        "Calibrated chaos: variance between runs of neural network training is harmless and inevitable", 2023,
        "arXiv 2304.01910", kind="misc",
    ),
    Reference(
        "kingma2015", ("Kingma, D. P.", "Ba, J."), "Adam: a method for stochastic optimization", 2015, "ICLR",
        kind="inproceedings",
    ),
    Reference(
        "korn1998", ("Korn, E. L.", "Graubard, B. I."),
        "Confidence intervals for proportions with small expected number of positive counts estimated from survey data",
        1998, "Surv. Methodol.", "24", "193-201",
    ),
    Reference(
        "krizhevsky2009", ("Krizhevsky, A.",), "Learning multiple layers of features from tiny images", 2009,
        "University of Toronto", kind="misc",
    ),
    Reference(
        "lachin1999", ("Lachin, J. M.",),
        "Worst-rank score analysis with informatively missing observations in clinical trials", 1999,
        "Control. Clin. Trials", "20", "408-422",
    ),
    Reference(
        "lecun1998", ("LeCun, Y.", "Bottou, L.", "Bengio, Y.", "Haffner, P."),
        "Gradient-based learning applied to document recognition", 1998, "Proc. IEEE", "86", "2278-2324",
    ),
    Reference(
        "lopezpaz2017", ("Lopez-Paz, D.", "Oquab, M."), "Revisiting classifier two-sample tests", 2017, "ICLR",
        kind="inproceedings",
    ),
    Reference(
        "lourie2024", ("Lourie, N.", "Cho, K.", "He, H."),
        "Show your work with confidence: confidence bands for tuning curves", 2024, "NAACL", "", "3455-3472",
        "inproceedings",
    ),
    Reference(
        "mcnemar1947", ("McNemar, Q.",),
        "Note on the sampling error of the difference between correlated proportions or percentages", 1947,
        "Psychometrika", "12", "153-157",
    ),
    Reference(
        "montielolea2019", ("Montiel Olea, J. L.", "Plagborg-Møller, M."),
        "Simultaneous confidence bands: theory, implementation, and an application to SVARs", 2019,
        "J. Appl. Econom.", "34", "1-17",
    ),
    Reference(
        "owen1998", ("Owen, A. B.",), "Scrambling Sobol' and Niederreiter-Xing points", 1998, "J. Complexity",
        "14", "466-489",
    ),
    Reference("owen2007", ("Owen, A. B.",), "The pigeonhole bootstrap", 2007, "Ann. Appl. Stat.", "1", "386-411"),
    Reference(
        "pedregosa2011", ("Pedregosa, F.", "Varoquaux, G.", "Gramfort, A.", "Michel, V.", "others"),
        "Scikit-learn: machine learning in Python", 2011, "J. Mach. Learn. Res.", "12", "2825-2830",
    ),
    Reference(
        "permutt2017", ("Permutt, T.", "Li, F."), "Trimmed means for symptom trials with dropouts", 2017,
        "Pharm. Stat.", "16", "20-28",
    ),
    Reference(
        "phipson2010", ("Phipson, B.", "Smyth, G. K."), "Permutation p-values should never be zero", 2010,
        "Stat. Appl. Genet. Mol. Biol.", "9", "39",
    ),
    Reference(
        "santurkar2018", ("Santurkar, S.", "Tsipras, D.", "Ilyas, A.", "Madry, A."),
        "How does batch normalization help optimization?", 2018, "NeurIPS", "", "2483-2493", "inproceedings",
    ),
    Reference(
        "schuirmann1987", ("Schuirmann, D. J.",),
        "A comparison of the two one-sided tests procedure and the power approach for assessing the equivalence of"
        " average bioavailability", 1987, "J. Pharmacokinet. Biopharm.", "15", "657-680",
    ),
    Reference(
        "simonsohn2020", ("Simonsohn, U.", "Simmons, J. P.", "Nelson, L. D."), "Specification curve analysis", 2020,
        "Nat. Hum. Behav.", "4", "1208-1214",
    ),
    Reference("student1908", ("Student",), "The probable error of a mean", 1908, "Biometrika", "6", "1-25"),
    Reference(
        "tang2020", ("Tang, R.", "Lee, J.", "Xin, J.", "Liu, X.", "Yu, Y.", "Lin, J."),
        "Showing your work doesn't always work", 2020, "ACL", "", "2766-2772", "inproceedings",
    ),
    Reference(
        "tango1998", ("Tango, T.",),
        "Equivalence test and confidence interval for the difference in proportions for the paired-sample design",
        1998, "Stat. Med.", "17", "891-908",
    ),
    Reference(
        "tukey1963", ("Tukey, J. W.", "McLaughlin, D. H."),
        "Less vulnerable confidence and significance procedures for location based on a single sample:"
        " trimming/Winsorization 1", 1963, "Sankhyā A", "25", "331-352",
    ),
    Reference(
        "ville1939", ("Ville, J.",), "Étude critique de la notion de collectif", 1939, "Gauthier-Villars", kind="book",
    ),
    Reference(
        "watanabe2023", ("Watanabe, S.", "Bansal, A.", "Hutter, F."),
        "PED-ANOVA: efficiently quantifying hyperparameter importance in arbitrary subspaces", 2023, "IJCAI",
        "", "4389-4396", "inproceedings",
    ),
    Reference(
        "westfall1993", ("Westfall, P. H.", "Young, S. S."), "Resampling-based multiple testing", 1993, "Wiley",
        kind="book",
    ),
    Reference(
        "wilcoxon1945", ("Wilcoxon, F.",), "Individual comparisons by ranking methods", 1945, "Biometrics Bull.",
        "1", "80-83",
    ),
    Reference(
        "xiao2017", ("Xiao, H.", "Rasul, K.", "Vollgraf, R."),
        "Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms", 2017,
        "arXiv 1708.07747", kind="misc",
    ),
    Reference(
        "zou2008", ("Zou, G. Y.", "Donner, A."),
        "Construction of confidence limits about effect measures: a general approach", 2008, "Stat. Med.", "27",
        "1693-1702",
    ),
)  # fmt: skip
"""Papers by key, in the order of a list."""
